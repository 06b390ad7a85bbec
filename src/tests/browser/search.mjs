// A student searches as they type, with a mistake, by keyboard alone; narrows down; dismisses what does not fit; and
// hears live of a gig that does. Usage: node search.mjs BASE_URL OUT_DIR

import { join } from "node:path";
import { visit } from "./visit.mjs";

await visit(async ({ base, out, step, window, signIn }) => {
  const [student, client] = await Promise.all(["student", "client"].map((who) => window(who)));
  const q = student.locator("#q");
  const titles = () => student.locator("#results h2").allTextContents();

  await step("two people sign in, and the student is shown what fits them, with reasons", async () => {
    await signIn(client, "client");
    await signIn(student, "student", "/search");
    await student.locator("#results .result").first().waitFor();
    await student.locator("#results .reasons", { hasText: "You have" }).first().waitFor();
    await student.screenshot({ path: join(out, "search-for-you.png"), fullPage: true });
  });

  await step("a word with a typing mistake finds the gig", async () => {
    await q.fill("tranlsate help centre");
    await student.locator("#results h2", { hasText: "Translate our help centre into Polish" }).waitFor();
    await student.locator("#results mark").first().waitFor();
  });

  await step("suggestions are taken with the arrow keys", async () => {
    await q.fill("");
    await q.pressSequentially("move a small", { delay: 20 });
    await student.locator("#suggestions li:first-child", { hasText: "Move a small shop" }).waitFor();
    await student.keyboard.press("ArrowDown");
    await student.locator("#suggestions li[aria-selected=true]").waitFor();
    await student.keyboard.press("Enter");
    await student.locator("#results h2", { hasText: "Move a small shop from spreadsheets" }).waitFor();
    if (await student.locator("#suggestions").isVisible()) throw new Error("suggestions stay open");
  });

  await step("facets narrow down by keyboard, and the address keeps them", async () => {
    // What is there already was found for other words, as are its facets.
    await q.fill("design");
    await student.locator("#results mark", { hasText: /design/i }).first().waitFor();
    const mentors = student.locator("[data-facet=kind] input").first();
    await mentors.waitFor();
    const before = (await titles()).length;
    await mentors.focus();
    await student.keyboard.press("Space");
    await student.waitForFunction(() => location.search.includes("kind="));
    await student.locator("#results .result").first().waitFor();
    if ((await titles()).length > before) throw new Error("narrowing down found more");
    await student.screenshot({ path: join(out, "search-facets.png"), fullPage: true });
    await student.reload();
    await student.locator("[data-facet=kind] input:checked").waitFor();
  });

  await step("what is dismissed does not come again", async () => {
    await student.goto(new URL("/search", base).href);
    const first = student.locator("#results .result").first();
    await first.waitFor();
    const id = await first.getAttribute("data-id");
    await first.locator("button").click();
    await student.locator(`[data-id="${id}"]`).waitFor({ state: "detached" });
    await student.reload();
    await student.locator("#results .result").first().waitFor();
    if (await student.locator(`[data-id="${id}"]`).count()) throw new Error("it came again");
  });

  await step("a gig that fits is posted, and the student hears of it live, with the reason", async () => {
    const title = `Tidy our sensor data ${Date.now() % 100_000}`;
    await student.locator("#connection[data-state=connected]").waitFor();
    await client.evaluate(async (title) => {
      const send = async (path, body) => {
        const answer = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
        if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
        return answer.json();
      };
      const gig = await send("/api/v1/gigs", { title, description: "Three years of measurements in many files.",
        skills: ["python", "sql"], budget: { amount_minor: 40_000, currency: "EUR" }, slots: 1 });
      await send(`/api/v1/gigs/${gig.id}/post`, {});
    }, title);
    await student.locator("#said", { hasText: title }).waitFor();
    await student.locator("#said", { hasText: "You have all 2 skills" }).waitFor();
    await student.screenshot({ path: join(out, "search-live.png"), fullPage: true });
  });
});
