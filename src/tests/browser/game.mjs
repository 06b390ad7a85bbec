// Leaderboards, progress and badges in a real browser: what one earns shows live.
// Usage: node game.mjs BASE_URL OUT_DIR

import { join } from "node:path";

import { visit } from "./visit.mjs";

/** A call of the page itself, with its cookie. */
const post = (page, path, body) => page.evaluate(async ([path, body]) => {
  const answer = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  return { status: answer.status, data: await answer.json() };
}, [path, body]);

await visit(async ({ base, out, step, window, signIn }) => {
  const student = await window("the student");
  const rows = student.locator("#board-rows tr");
  const own = student.locator("#own-rank");

  await step("the demo's student opens the leaderboards", async () => {
    await signIn(student, "student");
    await student.locator("#game-link").click();
    await student.locator("#board-rows tr[data-rank='1']").waitFor();
    await student.locator("#own-rank", { hasText: /You are number \d+ of \d+/ }).waitFor();
    await student.locator("#board-rows tr.me").waitFor();
  });

  const before = await step("places are in order, names are people's", async () => {
    const scores = await rows.locator("td:last-child").allTextContents();
    const numbers = scores.map((text) => Number(text.replace(/\D/g, "")));
    if (numbers.length < 10 || numbers.some((n, i) => i && n > numbers[i - 1])) throw new Error(`scores: ${numbers}`);
    await student.locator("#board-rows td:nth-child(2)", { hasText: /^(?!Somebody)\S+ \S+/ }).first().waitFor();
    return { count: numbers.length, own: await own.textContent() };
  });

  await step("somebody new appears live", async () => {
    const somebody = { email: `new-${Date.now()}@example.org`, password: "a long password", display_name: "Newly Arrived" };
    const { status } = await post(student, "/api/v1/auth/register", somebody);
    if (status !== 201) throw new Error(`registered with ${status}`);
    await student.locator("#board-rows td", { hasText: "Newly Arrived" }).waitFor();
    if ((await rows.count()) !== before.count + 1) throw new Error("not one row more");
  });

  const apply = async () => {
    const [gigs, mine] = await student.evaluate(() => Promise.all(["/api/v1/gigs?limit=100", "/api/v1/applications?limit=100"]
      .map(async (path) => (await (await fetch(path)).json()).items)));
    const applied = new Set(mine.map((application) => application.gig_id));
    const gig = gigs.find((gig) => !gig.questions?.length && !applied.has(gig.id));
    const { status } = await post(student, `/api/v1/gigs/${gig.id}/applications`, { proposal: "I would like to." });
    if (status !== 201) throw new Error(`the application was answered with ${status}`);
  };

  await step("what one earns shows at once", async () => {
    await apply();
    await student.waitForFunction((was) => document.querySelector("#own-rank").textContent !== was, before.own);
  });

  await step("another board and window", async () => {
    const boards = await student.locator("#board-pick option").evaluateAll((options) => options.map((option) => option.value));
    const skill = boards.find((board) => board.startsWith("skill:"));
    if (boards[0] !== "global" || !skill) throw new Error(`boards: ${boards}`);
    await student.locator("#board-pick").selectOption(skill);
    await student.locator("#board-rows tr.me[data-rank='1']").waitFor();
    await student.locator("#window-pick").selectOption("week");
    await student.locator("#board-rows tr.me[data-rank='1']").waitFor();
    await student.screenshot({ path: join(out, "leaderboard.png") });
  });

  await step("somebody's badges", async () => {
    await student.locator("#board-pick").selectOption("global");
    await student.locator("#window-pick").selectOption("all");
    await student.locator("#board-rows tr[data-rank='1'] .who").click();
    await student.locator("#their-badges h2", { hasText: /^Badges of \S+/ }).waitFor();
    await student.locator("#their-badges a img").first().waitFor();
  });

  const badge = await step("one's own progress and badges", async () => {
    await student.getByRole("tab", { name: "My progress" }).click();
    await student.locator("#my-level", { hasText: /Level \d+/ }).waitFor();
    await student.locator("#my-streak", { hasText: "1 day" }).waitFor();
    const points = await student.locator("#my-points").textContent();
    await apply();
    await student.waitForFunction((was) => document.querySelector("#my-points").textContent !== was, points);
    await student.screenshot({ path: join(out, "progress.png") });
    return student.locator("#my-badges a").first().getAttribute("href");
  });

  await step("a badge's page is everybody's", async () => {
    const stranger = await window("a stranger");
    await stranger.goto(new URL(badge, base).href);
    await stranger.locator("h1", { hasText: "Welcome aboard" }).waitFor();
    await stranger.locator("#badge b").waitFor();
    await stranger.screenshot({ path: join(out, "badge.png") });
  });

  await step("the dialog closes", async () => {
    await student.locator("#game-close").click();
    await student.locator("#game-dialog").waitFor({ state: "hidden" });
  });
});
