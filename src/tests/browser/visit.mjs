// What every visit of a page has in common: a browser, windows of people of their own, steps that must come
// about, and nothing wrong on the way.

import { existsSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";

// The packages belong to the SDK tests beside us.
const { chromium } = createRequire(new URL("../sdk/package.json", import.meta.url))("playwright-core");

const STEP_MS = 60_000;
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

/** Debian's Chromium, or one that `PATH` has under another name. */
function executable() {
  const names = ["chromium", "chromium-browser", "google-chrome"];
  const places = (process.env.PATH ?? "").split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)));
  const found = ["/usr/bin/chromium", ...places].find((path) => existsSync(path));
  if (!found) throw new Error("there is no chromium in PATH");
  return found;
}

/**
 * Runs `run(visit)` in a browser and ends the process: 0 if every step came about and no page logged an
 * error, broke its policy, or asked another host.
 */
export async function visit(run) {
  const [, script, base, out] = process.argv;
  if (!base || !out) {
    console.error(`usage: node ${script} BASE_URL OUT_DIR`);
    process.exit(2);
  }
  const troubles = [];
  const allowed = []; // statuses that a step provokes
  let current = "start";
  let browser;
  const fail = (what) => troubles.push(`[${current}] ${what}`);

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

  /** A window of somebody's own: contexts share no cookies. */
  async function window(who, viewport = { width: 1280, height: 800 }) {
    const context = await browser.newContext({ viewport, locale: "en-GB", colorScheme: "light" });
    context.setDefaultTimeout(STEP_MS);
    const page = await context.newPage();
    page.on("console", (message) => {
      const { url } = message.location();
      // The one answer that is expected: a visitor is asked who they are and has no session yet.
      const visitor = new URL(url || base).pathname === "/api/v1/me" && message.text().includes("401");
      const provoked = allowed.some((status) => message.text().includes(`status of ${status}`));
      if (message.type() === "error" && !visitor && !provoked) fail(`${who}'s console: ${message.text()} (${url})`);
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

  /** Signs in with a button of the demo. */
  async function signIn(page, who, path = "/") {
    await page.goto(new URL(path, base).href);
    await page.locator(`[data-demo=${who}]`).click();
    await page.locator("#connection[data-state=connected]").waitFor();
  }

  try {
    mkdirSync(out, { recursive: true });
    browser = await chromium.launch({ executablePath: executable(), args: FLAGS });
    await run({ base, out, step, window, signIn, fail, allow: (status) => allowed.push(status) });
  } catch (error) {
    troubles.push(`FAILED: ${error.message}`);
    const pages = browser?.contexts().flatMap((context) => context.pages()) ?? [];
    for (const [i, page] of pages.entries()) await page.screenshot({ path: join(out, `failed-${i + 1}.png`) }).catch(() => {});
  } finally {
    await browser?.close();
  }
  for (const trouble of troubles) console.error(trouble);
  console.log(troubles.length ? "the browser's visit failed" : "the browser's visit went well");
  process.exit(troubles.length ? 1 : 0);
}
