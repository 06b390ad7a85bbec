// Leaderboards, progress and badges in a real browser: what one earns shows live.
// Usage: node game.mjs BASE_URL OUT_DIR

import { existsSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";

// The packages belong to the SDK tests beside us.
const { chromium } = createRequire(new URL("../sdk/package.json", import.meta.url))("playwright-core");

const STEP_MS = 20_000;
const VIEW = { width: 1280, height: 800 };
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

const [, , base, out] = process.argv;
if (!base || !out) {
  console.error("usage: node game.mjs BASE_URL OUT_DIR");
  process.exit(2);
}

const troubles = [];
let current = "start";
const fail = (what) => troubles.push(`[${current}] ${what}`);

/** One thing that has to come about. */
async function step(name, run) {
  current = name;
  try {
    const answer = await run();
    console.log(`ok    ${name}`);
    return answer;
  } catch (error) {
    throw new Error(`${name}: ${error.message}`);
  }
}

/** Debian's Chromium, or one that `PATH` has under another name. */
function executable() {
  const names = ["chromium", "chromium-browser", "google-chrome"];
  const places = (process.env.PATH ?? "").split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)));
  const found = ["/usr/bin/chromium", ...places].find((path) => existsSync(path));
  if (!found) throw new Error("there is no chromium in PATH");
  return found;
}

/** A window of somebody's own: contexts share no cookies. */
async function openWindow(browser, who) {
  const context = await browser.newContext({ viewport: VIEW, locale: "en-GB", colorScheme: "light" });
  context.setDefaultTimeout(STEP_MS);
  const page = await context.newPage();
  page.on("console", (message) => {
    const { url } = message.location();
    // The one answer that is expected: a visitor is asked who they are and has no session yet.
    const visitor = new URL(url || base).pathname === "/api/v1/me" && message.text().includes("401");
    if (message.type() === "error" && !visitor) fail(`${who}'s console: ${message.text()} (${url})`);
  });
  page.on("pageerror", (error) => fail(`${who}'s page: ${error.stack ?? error.message}`));
  page.on("requestfailed", (request) => {
    // A page that is left drops what it was asking for.
    const reason = request.failure()?.errorText;
    if (reason !== "net::ERR_ABORTED") fail(`${who}'s request ${request.url()}: ${reason}`);
  });
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== new URL(base).origin) fail(`${who}'s page asked another host: ${request.url()}`);
  });
  await page.exposeFunction("reportViolation", (text) => fail(`${who}'s page broke its policy: ${text}`));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => window.reportViolation(`${event.violatedDirective} ${event.blockedURI}`));
  });
  return page;
}

async function signIn(page, who, path = "/") {
  await page.goto(new URL(path, base).href);
  await page.locator(`[data-demo=${who}]`).click();
}


const live = (page) => page.locator("#connection[data-state=connected]").waitFor();

/** A call of the page itself, with its cookie. */
const post = (page, path, body) => page.evaluate(async ([path, body]) => {
  const answer = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  return { status: answer.status, data: await answer.json() };
}, [path, body]);

async function run(browser) {
  const student = await openWindow(browser, "the student");
  const rows = student.locator("#board-rows tr");
  const own = student.locator("#own-rank");

  await step("the demo's student opens the leaderboards", async () => {
    await signIn(student, "student");
    await live(student);
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

  await step("what one earns shows at once", async () => {
    const [gigs, mine] = await student.evaluate(() => Promise.all(["/api/v1/gigs?limit=100", "/api/v1/applications?limit=100"]
      .map(async (path) => (await (await fetch(path)).json()).items)));
    const applied = new Set(mine.map((application) => application.gig_id));
    const gig = gigs.find((gig) => !gig.questions?.length && !applied.has(gig.id));
    const { status } = await post(student, `/api/v1/gigs/${gig.id}/applications`, { proposal: "I would like to." });
    if (status !== 201) throw new Error(`the application was answered with ${status}`);
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

  const badge = await step("one's own progress and badges", async () => {
    await student.getByRole("tab", { name: "My progress" }).click();
    await student.locator("#my-level", { hasText: /Level \d+/ }).waitFor();
    await student.locator("#my-streak", { hasText: "1 day" }).waitFor();
    await student.screenshot({ path: join(out, "progress.png") });
    return student.locator("#my-badges a").first().getAttribute("href");
  });

  await step("a badge's page is everybody's", async () => {
    const stranger = await openWindow(browser, "a stranger");
    await stranger.goto(new URL(badge, base).href);
    await stranger.locator("h1", { hasText: "Welcome aboard" }).waitFor();
    await stranger.locator("#badge b").waitFor();
    await stranger.screenshot({ path: join(out, "badge.png") });
  });

  await step("the dialog closes and chat is there", async () => {
    await student.locator("#game-close").click();
    await student.locator("#my-rooms [data-room]").first().waitFor();
  });
}

let browser;
try {
  mkdirSync(out, { recursive: true });
  browser = await chromium.launch({ executablePath: executable(), args: FLAGS });
  await run(browser);
} catch (error) {
  troubles.push(`FAILED: ${error.message}`);
  const pages = browser?.contexts().flatMap((context) => context.pages()) ?? [];
  for (const [i, page] of pages.entries()) await page.screenshot({ path: join(out, `game-failed-${i + 1}.png`) }).catch(() => {});
} finally {
  await browser?.close();
}
for (const trouble of troubles) console.error(trouble);
console.log(troubles.length ? "the browser's visit failed" : "the browser's visit went well");
process.exit(troubles.length ? 1 : 0);
