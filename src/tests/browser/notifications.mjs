// The bell at `/`, in two windows of one person: it counts, shows, and what is read in one is read in
// the other. Usage: node notifications.mjs BASE_URL OUT_DIR, and on standard input a line for each
// notification that the test has made (it makes one whenever this prints `@tell`).

import { existsSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";

// The packages belong to the SDK tests beside us.
const { chromium } = createRequire(new URL("../sdk/package.json", import.meta.url))("playwright-core");

const STEP_MS = 60_000;
const [, , base, out] = process.argv;
const troubles = [];
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function step(name, run) {
  try {
    const answer = await run();
    console.log(`ok    ${name}`);
    return answer;
  } catch (error) {
    throw new Error(`${name}: ${error.message}`);
  }
}

async function tell() {
  console.log("@tell");
  await answers.next();
}

function executable() {
  const names = ["chromium", "chromium-browser", "google-chrome"];
  const places = (process.env.PATH ?? "").split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)));
  const found = ["/usr/bin/chromium", ...places].find((path) => existsSync(path));
  if (!found) throw new Error("there is no chromium in PATH");
  return found;
}

async function open(browser, who) {
  const context = await browser.newContext({ viewport: { width: 1100, height: 760 }, locale: "en-GB" });
  context.setDefaultTimeout(STEP_MS);
  const page = await context.newPage();
  page.on("pageerror", (error) => troubles.push(`${who}: ${error.stack ?? error.message}`));
  await page.exposeFunction("reportViolation", (text) => troubles.push(`${who} broke the policy: ${text}`));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => window.reportViolation(`${event.violatedDirective} ${event.blockedURI}`));
  });
  await page.goto(base);
  await page.locator("[data-demo=student]").click();
  await page.locator("#connection[data-state=connected]").waitFor({ state: "attached" });
  return page;
}

const unread = (page, count) => page.waitForFunction((count) => {
  const label = document.getElementById("bell").getAttribute("aria-label");
  return count ? label === `Notifications, ${count} unread` : label === "Notifications";
}, count);

const browser = await chromium.launch({ executablePath: executable(), args: ["--no-sandbox", "--disable-gpu"] });
try {
  mkdirSync(out, { recursive: true });
  const one = await step("the first window", () => open(browser, "one"));
  const two = await step("the second window", () => open(browser, "two"));
  await step("a clean start", async () => {
    const bell = one.getByRole("button", { name: /^Notifications/ });
    await bell.click();
    await one.locator("#notification-list li").first().waitFor();
    await one.getByRole("button", { name: "Mark all as read" }).click();
    await unread(one, 0);
    await unread(two, 0);
    await one.keyboard.press("Escape");
    await one.locator("#notifications").waitFor({ state: "hidden" });
  });
  await step("both bells count", async () => {
    for (let n = 1; n <= 3; n += 1) {
      await tell();
      await unread(one, n);
      await unread(two, n);
    }
  });
  await step("the list by keyboard", async () => {
    await one.locator("#bell").focus();
    await one.keyboard.press("Enter");
    await one.locator("#notification-list li.fresh").nth(2).waitFor();
    const first = await one.locator("#notification-list li a").first().innerText();
    if (!first.includes("“A poster” was not chosen")) throw new Error(`it says ${first}`);
  });
  await one.screenshot({ path: join(out, "notifications.png") });
  await step("one is read in both windows", async () => {
    await one.getByRole("button", { name: /^Mark as read: / }).first().click();
    await unread(one, 2);
    await unread(two, 2);
  });
  await step("it is so after a reload", async () => {
    await two.reload();
    await unread(two, 2);
  });
  await step("all are read in both windows", async () => {
    await one.getByRole("button", { name: "Mark all as read" }).click();
    await unread(one, 0);
    await unread(two, 0);
  });
  if (troubles.length) throw new Error(troubles.join("\n"));
} catch (error) {
  console.error(error.message, troubles.join("\n"));
  process.exitCode = 1;
} finally {
  await browser.close();
  process.exit();
}
