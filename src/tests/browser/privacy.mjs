// Somebody makes a portfolio with a picture, takes an archive of their data along, and has themselves forgotten while
// they watch. Usage: node privacy.mjs BASE_URL OUT_DIR

import { join } from "node:path";
import { visit } from "./visit.mjs";

const PASSWORD = "correct-horse-battery-42";

await visit(async ({ base, out, step, window, allow }) => {
  const [page, stranger] = await Promise.all(["somebody", "stranger"].map((who) => window(who)));
  const slug = `somebody-${Date.now()}`;

  await step("somebody registers and signs in", async () => {
    await page.goto(new URL("/docs", base).href);
    await page.evaluate(async (password) => {
      const email = `${crypto.randomUUID()}@example.org`;
      const post = (path, body) => fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
      await post("/api/v1/auth/register", { email, password, display_name: "Nora Somebody", role: "student" });
      const session = await post("/api/v1/auth/sessions", { email, password });
      if (session.status !== 201) throw new Error(`not signed in: ${session.status}`);
    }, PASSWORD);
  });

  await step("a portfolio gets a project with a picture", async () => {
    await page.goto(new URL("/mentors#portfolio", base).href);
    await page.locator("#p-slug").fill(slug);
    await page.locator("#p-visibility").selectOption("public");
    await page.locator("#p-save").click();
    await page.locator("#said", { hasText: "Saved" }).waitFor();
    for (const title of ["A second boat", "A boat"]) {
      await page.locator("#project-title").fill(title);
      await page.locator("#project-add").click();
      await page.locator(`#own-projects input[id^=title-]`).last().waitFor();
      await page.waitForFunction((title) => [...document.querySelectorAll("#own-projects input")].some((input) => input.value === title), title);
    }
    await page.locator("#own-projects > li").nth(1).getByRole("button", { name: "Up" }).click();
    await page.waitForFunction(() => document.querySelector("#own-projects input[id^=title-]").value === "A boat");
    const picture = await page.evaluate(() => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [640, 400];
      const pen = canvas.getContext("2d");
      pen.fillStyle = "#0f5e6b";
      pen.fillRect(0, 0, 640, 400);
      return canvas.toDataURL("image/png").split(",")[1];
    });
    const card = page.locator("#own-projects > li").first();
    await card.locator("input[type=file]").setInputFiles({ name: "boat.png", mimeType: "image/png", buffer: Buffer.from(picture, "base64") });
    await card.locator("input[id^=alt-]").fill("A boat at sea");
    await card.locator("[data-attach]").click();
    await page.locator("#own-projects img[alt='A boat at sea']").waitFor();
    await page.screenshot({ path: join(out, "portfolio-edit.png"), fullPage: true });
  });

  await step("everybody sees it", async () => {
    await stranger.goto(new URL(`/p/${slug}`, base).href);
    const image = stranger.locator("img[alt='A boat at sea']");
    await image.waitFor();
    await stranger.waitForFunction(() => document.querySelector("img.artifact").naturalWidth > 0);
    await stranger.screenshot({ path: join(out, "portfolio-picture.png"), fullPage: true });
  });

  await step("an archive is made while one watches", async () => {
    await page.goto(new URL("/privacy", base).href);
    await page.locator("#connection[data-state=connected]").waitFor();
    await page.locator("#export").click();
    await page.locator("#exports li[data-state=ready]").waitFor();
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.locator("#exports li[data-state=ready]").getByRole("button", { name: "Download" }).click(),
    ]);
    if (!download.suggestedFilename().endsWith(".zip")) throw new Error(`it is called ${download.suggestedFilename()}`);
    await page.screenshot({ path: join(out, "privacy.png"), fullPage: true });
  });

  await step("everybody forgets, context by context, while one watches", async () => {
    // The session goes with the last receipt.
    allow(401);
    allow(404);
    await page.locator("#at-once").check();
    await page.locator("#erase input[name=password]").fill(PASSWORD);
    await page.locator("#erase button[type=submit]").click();
    await page.locator("#erased", { hasText: "Everybody has forgotten you" }).waitFor();
    const states = await page.locator("#receipts > li").evaluateAll((all) => all.map((one) => one.dataset.state));
    if (states.length !== 13 || states.some((state) => state !== "done")) throw new Error(`receipts: ${states}`);
    await page.screenshot({ path: join(out, "erased.png"), fullPage: true });
  });

  await step("nobody is there any more", async () => {
    const answer = await stranger.goto(new URL(`/p/${slug}`, base).href);
    if (answer.status() !== 404) throw new Error(`the page answers ${answer.status()}`);
  });
});
