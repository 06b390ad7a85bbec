// A student takes a course by keyboard alone: catalogue, texts, a quiz, a hand-in with a file, the certificate.
// Usage: node learning.mjs BASE_URL OUT_DIR

import { join } from "node:path";

import { visit } from "./visit.mjs";

/** The demo's questions and what is right, as their instructor wrote them. */
const RIGHT = [
  ["filters groups", ["HAVING"]], ["without a partner", ["LEFT JOIN", "FULL JOIN"]], ["NULL = NULL", ["False"]],
  ["count(a)", ["3"]], ["duplicate rows", ["DISTINCT"]],
  ["Match each statement", [["INSERT", "adds rows"], ["UPDATE", "changes rows"], ["DELETE", "removes rows"]]],
];
const right = (prompt) => RIGHT.find(([words]) => prompt.includes(words))[1];

await visit(async ({ base, out, step, window, signIn, allow }) => {
  const page = await window("the student");
  const shot = (name) => page.screenshot({ path: join(out, `${name}.png`) });
  const work = page.locator("#work");
  /** Presses a control by the keyboard: it must be reachable and show that it has the focus. */
  const press = async (target) => {
    // A page that is just shown takes the focus to its heading once.
    for (let tries = 20; ; tries -= 1) {
      await target.focus();
      if (await target.evaluate((one) => one === document.activeElement && one.matches(":focus-visible"))) break;
      if (!tries) throw new Error("it cannot have the focus, or does not show it");
      await page.waitForTimeout(100);
    }
    await target.press("Enter");
  };

  await step("the catalogue, from the bar", async () => {
    await signIn(page, "student");
    await page.evaluate(() => (globalThis.neverReloaded = true));
    await page.keyboard.press("Tab");
    await press(page.locator("[data-section=courses]"));
    await page.locator("#course-list [data-course]").nth(1).waitFor();
    await page.locator("#my-courses a", { hasText: "First steps with SQL" }).waitFor();
    await shot("catalogue");
    await work.locator("[name=q]").fill("query plans");
    await page.waitForFunction(() => document.querySelectorAll("#course-list [data-course]").length === 1);
    await work.locator("[name=q]").fill("");
    await page.waitForFunction(() => document.querySelectorAll("#course-list [data-course]").length > 1);
  });

  await step("a course that builds on another is refused with the reason", async () => {
    await press(page.locator("#course-list a", { hasText: "Indexes and query plans" }));
    await page.locator("#outline li", { hasText: "Reading a plan" }).first().waitFor();
    allow(409);
    await press(work.locator("[data-step=enrol]"));
    await work.locator(".action .error", { hasText: "builds on" }).waitFor();
    await press(work.locator("a", { hasText: "All courses" }));
  });

  await step("the player goes on where the student was; what comes later is locked", async () => {
    await press(page.locator("#my-courses a", { hasText: "First steps with SQL" }));
    await page.locator(".course-items li[data-state=done]").first().waitFor();
    await page.locator(".course-items li[data-state=locked]", { hasText: "Quiz" }).waitFor();
    await work.locator(".markdown", { hasText: "makes one row of many" }).waitFor();
    await press(work.locator("[data-step=next]"));
    await work.locator("h2", { hasText: "Quiz" }).waitFor();
    await shot("player");
  });

  await step("markdown is shown, and nothing of it runs", async () => {
    await press(page.locator(".course-items a", { hasText: "Tables and rows" }));
    await work.locator(".markdown table th", { hasText: "clause" }).waitFor();
    await work.locator(".markdown pre code", { hasText: "SELECT name" }).waitFor();
    await press(page.locator(".course-items a", { hasText: /^Quiz$/ }));
  });

  const answer = async () => {
    for (const row of await page.locator("#questions > li").all()) {
      const kind = await row.getAttribute("data-kind");
      if (kind === "single" || kind === "multiple") {
        const wanted = right((await row.locator("legend").textContent()).trim());
        for (const choice of await row.locator(".choice").all()) {
          const input = choice.locator("input");
          if (wanted.includes((await choice.textContent()).trim()) !== (await input.isChecked()) && (kind === "multiple" || !(await input.isChecked()))) {
            await input.focus();
            await input.press("Space");
          }
        }
      } else if (kind === "numeric" || kind === "short") {
        await row.locator("input").fill(right((await row.locator("legend").textContent()).trim())[0]);
      } else if (kind === "matching") {
        const pairs = right((await row.locator("legend").textContent()).trim());
        for (const line of await row.locator(".row").all()) {
          const stem = (await line.locator("label").textContent()).trim();
          const option = pairs.find((pair) => pair[0] === stem)?.[1];
          if (option) await line.locator("select").selectOption({ label: option });
        }
      }
    }
  };

  await step("an attempt: answers are kept, and a second tab is told", async () => {
    await press(work.locator("[data-step=begin]"));
    await page.locator("#questions > li").first().waitFor();
    await work.locator(".quiz-time", { hasText: "left" }).waitFor();
    await shot("quiz");
    const [place] = await page.locator("#questions > li").evaluateAll((rows) => rows.filter((row) => row.querySelector("input[type=radio], input[type=checkbox]")).map((row) => row.dataset.place));
    const first = page.locator(`#questions > li[data-place="${place}"] .choice input`).first();
    await first.focus();
    await first.press("Space");
    await page.locator("#kept", { hasText: "Your answers are kept." }).waitFor();
    const other = await page.context().newPage();
    await other.goto(page.url());
    await other.locator("#questions > li").first().waitFor();
    if (!(await other.locator(`#questions > li[data-place="${place}"] .choice input`).first().isChecked())) throw new Error("the other tab does not have the answer");
    await other.locator(`#questions > li[data-place="${place}"] .choice input`).nth(1).check();
    await other.locator("#kept", { hasText: "Your answers are kept." }).waitFor();
    const conflict = page.waitForResponse((response) => response.url().endsWith("/answers") && response.status() === 412);
    allow(412);
    await page.locator(`#questions > li[data-place="${place}"] .choice input`).nth(1).press("Space");
    await conflict;
    await page.locator("#kept", { hasText: "another tab" }).waitFor();
    await other.close();
    await page.reload();
    await page.locator("#questions > li").first().waitFor();
  });

  await step("handed in; the certificate follows once all is done", async () => {
    await answer();
    await page.locator("#kept", { hasText: "Your answers are kept." }).waitFor();
    await press(work.locator("[data-step=submit]"));
    await page.locator("#score").waitFor();
    await page.locator("#marks .solution").first().waitFor();
    await shot("result");
    await press(work.locator("a", { hasText: "Back to the course" }));
    await page.locator(".badge[data-state=completed]").waitFor();
    // The page that is shown takes the focus once, at its heading.
    await page.waitForFunction(() => document.activeElement?.tagName === "H1");
  });

  await step("a hand-in with a file, and its progress", async () => {
    await press(page.locator(".course-items a", { hasText: "Your own question" }));
    await page.locator("#hand-in textarea").fill("SELECT count(*) FROM concerts; how many there were.");
    await page.locator("#hand-in input[type=file]").setInputFiles({ name: "query.txt", mimeType: "text/plain", buffer: Buffer.from("SELECT count(*) FROM concerts;\n".repeat(1_000)) });
    await press(page.locator("[data-step=hand-in]"));
    await page.locator("#submissions li", { hasText: "Handed in" }).waitFor();
  });

  await step("the certificate is there, and anybody can verify it", async () => {
    await page.waitForFunction(async () => (await (await fetch("/api/v1/certificates")).json()).items.length === 1, null, { polling: 250 });
    await press(work.locator("a", { hasText: "Your certificate" }));
    await page.locator("#certificates .certificate", { hasText: "First steps with SQL" }).waitFor();
    await shot("certificates");
    const address = await page.locator("#certificates a.button").getAttribute("href");
    const visitor = await window("a visitor");
    await visitor.goto(new URL(address, base).href);
    await visitor.locator("h1", { hasText: "This certificate is valid." }).waitFor();
    await visitor.screenshot({ path: join(out, "verify.png") });
  });

  await step("a paid place: the sandbox pays, and the course opens by itself", async () => {
    await page.evaluate(() => (location.hash = "#courses"));
    await press(page.locator("#course-list a", { hasText: "The data interview" }));
    await press(work.locator("[data-step=enrol]", { hasText: "29" }));
    await work.locator("h2", { hasText: "What an interviewer wants to know" }).waitFor();
    await work.locator(".badge[data-state=active]").waitFor();
  });

  await step("everything has a name and fits: light, dark, 360 pixels", async () => {
    for (const hash of ["#courses", "#certificates", new URL(page.url()).hash]) {
      await page.setViewportSize({ width: 1280, height: 800 });
      await page.evaluate((hash) => (location.hash = hash), hash);
      await page.locator("#work h1").waitFor();
      const nameless = await page.evaluate(() => [...document.querySelectorAll("#work :is(input, select, textarea, button, a, progress)")]
        .filter((part) => !(part.labels?.length || part.getAttribute("aria-label") || part.textContent.trim()))
        .map((part) => part.outerHTML));
      if (nameless.length) throw new Error(`nameless: ${nameless.join(" ")}`);
      await page.emulateMedia({ colorScheme: "dark" });
      await page.setViewportSize({ width: 360, height: 780 });
      await page.waitForFunction(() => document.querySelector("#work").scrollWidth <= document.querySelector("#work").clientWidth && document.documentElement.scrollWidth <= 360);
      await shot(`${hash.slice(1).split("/")[0]}-360-dark`);
      await page.emulateMedia({ colorScheme: "light" });
    }
  });
});
