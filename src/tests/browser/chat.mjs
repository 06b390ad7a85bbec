// What people do at the pages, in a real browser: two of them chat in two windows, an operator
// watches the room's actor and restarts it. Usage: node chat.mjs BASE_URL OUT_DIR
//
// Every step waits for what it expects; the first that does not come about ends the run with a
// message that names the step. Nothing that a page logs as an error is let pass, and neither is
// anything that its content security policy had to block.

import { existsSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";

// The packages belong to the SDK tests beside us.
const { chromium } = createRequire(new URL("../sdk/package.json", import.meta.url))("playwright-core");

const STEP_MS = 60_000;
const VIEW = { width: 1280, height: 800 };
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

const [, , base, out] = process.argv;
if (!base || !out) {
  console.error("usage: node chat.mjs BASE_URL OUT_DIR");
  process.exit(2);
}

const troubles = [];
let current = "start";
let cutOff = false; // while the test itself holds the network back
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
    const expected = visitor || (cutOff && message.text().includes("ERR_INTERNET_DISCONNECTED"));
    if (message.type() === "error" && !expected) fail(`${who}'s console: ${message.text()} (${url})`);
  });
  page.on("pageerror", (error) => fail(`${who}'s page: ${error.stack ?? error.message}`));
  page.on("requestfailed", (request) => {
    // A page that is left drops what it was asking for.
    const reason = request.failure()?.errorText;
    const expected = reason === "net::ERR_ABORTED" || (cutOff && reason === "net::ERR_INTERNET_DISCONNECTED");
    if (!expected) fail(`${who}'s request ${request.url()}: ${reason}`);
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
const roomRow = (page, id) => page.locator(`#my-rooms [data-room="${id}"] button`);
const said = (page, text) => page.locator("#timeline .entry[data-state=logged] .body", { hasText: text });

async function say(page, text) {
  await page.locator("#draft").fill(text);
  await page.locator("#draft").press("Enter");
}

async function run(browser) {
  const [client, student, operator] = [
    await openWindow(browser, "the client"), await openWindow(browser, "the student"), await openWindow(browser, "the operator"),
  ];
  const [asked, answered, marked] = [
    "Could you have a first sketch by Friday?", "Yes. Two variants, so that we can compare.", "Is <b>Nova</b> fine for the <h1>?",
  ];

  await step("two people sign in, in two windows", async () => {
    await Promise.all([signIn(client, "client"), signIn(student, "student")]);
    await Promise.all([live(client), live(student)]);
  });

  const room = await step("one makes a public room", async () => {
    await client.locator("#new-room").click();
    await client.locator("#room-name").fill(`Festival website`);
    await client.locator("#new-form button[type=submit]").click();
    await client.locator("#room-title", { hasText: `Festival website` }).waitFor();
    await client.locator("#draft").waitFor();
    return new URL(client.url()).hash.replace("#room/", "");
  });

  await step("the other finds it and joins", async () => {
    await student.reload();
    await student.locator(`#open-rooms [data-room="${room}"] button`).click();
    await student.locator("#room-title", { hasText: `Festival website` }).waitFor();
    await roomRow(student, room).and(student.locator("[aria-current]")).waitFor();
  });

  await step("each sees the other in the room", async () => {
    for (const page of [client, student]) {
      await page.waitForFunction(() => document.querySelectorAll("#people-list .here").length === 2);
      await page.locator("#room-sub", { hasText: "2 here" }).waitFor();
    }
  });

  await step("a message crosses, and so does its answer", async () => {
    await say(client, asked);
    await said(student, asked).waitFor();
    await say(student, answered);
    await said(client, answered).waitFor();
  });

  await step("markup stays text", async () => {
    await say(student, marked);
    await said(client, marked).waitFor();
    if (await said(client, marked).locator("*").count()) throw new Error("the message's text became elements");
  });

  await step("a message shows once, also to its sender", async () => {
    for (const page of [client, student]) {
      await page.waitForFunction(() => !document.querySelector("#timeline .entry:not([data-state=logged])"));
      for (const text of [asked, answered, marked]) {
        const times = await page.locator("#timeline .body", { hasText: text }).count();
        if (times !== 1) throw new Error(`"${text}" is there ${times} times`);
      }
    }
  });

  const entry = (page, text) => page.locator("#timeline .entry[data-state=logged]", { hasText: text }).last();
  /** Presses a message's tool, as somebody does who has no pointer. */
  const act = async (page, text, what) => {
    const tool = entry(page, text).locator(`[data-act=${what}]`);
    await tool.focus();
    await page.keyboard.press("Enter");
  };

  await step("a reaction is seen by both and taken back", async () => {
    await act(student, asked, "like");
    await entry(client, asked).locator(".chip", { hasText: "👍 1" }).waitFor();
    await entry(client, asked).locator(".chip").click();
    await entry(student, asked).locator(".chip", { hasText: "👍 2" }).waitFor();
    await entry(client, asked).locator(".chip[aria-pressed=true]").click();
    await entry(student, asked).locator(".chip", { hasText: "👍 1" }).waitFor();
  });

  await step("a reply shows what it answers, and code is code", async () => {
    await act(client, answered, "reply");
    await client.locator("#composing-text", { hasText: "Replying to" }).waitFor();
    await say(client, "Then run `make sketch`");
    await entry(student, "make sketch").locator(".quote", { hasText: answered }).waitFor();
    await entry(student, "make sketch").locator(".body code", { hasText: "make sketch" }).waitFor();
    // The reply's quote holds the same text: the first of the two is meant.
    await student.locator("#timeline .entry[data-state=logged]").filter({ hasText: answered }).first()
      .locator(".state", { hasText: "1 reply" }).waitFor();
  });

  await step("an edit reaches the other, and so does a deletion", async () => {
    await say(student, "A mistkae");
    await said(client, "A mistkae").waitFor();
    await act(student, "A mistkae", "edit");
    await student.locator("#draft").fill("A mistake");
    await student.locator("#draft").press("Enter");
    await entry(client, "A mistake").locator(".state", { hasText: "edited" }).waitFor();
    await act(student, "A mistake", "delete");
    await client.locator("#timeline .bubble.deleted").waitFor();
    if (await said(client, "A mistake").count()) throw new Error("the deleted text is still there");
  });

  await step("a pinned message is shown above", async () => {
    await act(client, asked, "pin");
    await student.locator("#pinned", { hasText: asked }).waitFor();
  });

  await step("a mention is marked, and what was seen is told", async () => {
    await student.locator("#draft").fill("");
    await say(client, "@room look at this");
    await entry(student, "@room look").locator(".bubble.calls-me").waitFor();
    await client.locator("#timeline .state", { hasText: "seen by" }).waitFor();
  });

  await step("what a device has read, its other window knows", async () => {
    const second = await openWindow(browser, "the student's phone");
    await signIn(second, "student");
    await live(second);
    await roomRow(second, room).waitFor();
    await client.bringToFront();
    await say(client, "One more for the badge");
    await said(student, "One more for the badge").waitFor();
    await second.waitForFunction((id) => {
      const row = document.querySelector(`#my-rooms [data-room="${id}"]`);
      return row && !row.querySelector(".unread");
    }, room);
    await second.context().close();
  });

  await step("one sees the other type", async () => {
    // Slowly, as people do: the signs are paced.
    await student.locator("#draft").pressSequentially("I am writing a rather long answer", { delay: 80 });
    await client.locator("#typing", { hasText: "is typing" }).waitFor();
  });

  await step("what was said is there after a reload", async () => {
    await client.screenshot({ path: join(out, "chat.png") });
    await client.reload();
    await said(client, answered).waitFor();
    await live(client);
  });

  await step("without a connection a message waits, and what was missed is caught up", async () => {
    cutOff = true;
    await client.context().setOffline(true);
    await client.evaluate(() => window.dispatchEvent(new Event("offline")));
    await client.locator("#connection:not([data-state=connected])").waitFor();
    await say(client, "Written while away");
    await client.locator("#timeline [data-state=waiting]", { hasText: "Written while away" }).waitFor();
    await say(student, "Said meanwhile");
    await said(student, "Said meanwhile").waitFor();
    await client.context().setOffline(false);
    await said(student, "Written while away").waitFor();
    await said(client, "Said meanwhile").waitFor();
    await client.locator("#room-state", { hasText: "Caught up on 1 message." }).waitFor();
    cutOff = false;
  });

  await step("who is no operator is told so at /ops", async () => {
    await student.goto(new URL("/ops", base).href);
    await student.locator(".sign-in .note", { hasText: "403" }).waitFor();
  });

  await step("the operator signs in at /ops", async () => {
    await signIn(operator, "operator", "/ops");
    await live(operator);
    await operator.locator("#tiles dd").first().waitFor();
    await operator.locator("#stores tr", { hasText: "postgres" }).first().waitFor();
    await operator.locator("#shards tr").first().waitFor();
  });

  const row = operator.locator(`#actors tr[data-kind=chat_room][data-id="${room}"]`);
  const number = async (column) => Number((await row.locator(`[data-column=${column}]`).textContent()).replaceAll(",", ""));

  await step("sees the room's actor, and that it handled the messages", async () => {
    await row.waitFor();
    if ((await number("handled")) < 5) throw new Error(`handled is ${await number("handled")} after five messages`);
    await operator.locator("#heads [data-column=handled] button").click();
    await operator.locator("#heads [data-column=handled][aria-sort=descending]").waitFor();
    // A few samples later its line is a line.
    await operator.waitForFunction((id) => {
      const line = document.querySelector(`#actors tr[data-kind=chat_room][data-id="${id}"] .spark`);
      return Number(/last (\d+) samples/.exec(line?.getAttribute("aria-label"))?.[1]) >= 5;
    }, room);
    await operator.screenshot({ path: join(out, "ops.png") });
  });

  await step("filters for it", async () => {
    await operator.locator("#filter-kind").selectOption("chat_room");
    await operator.locator("#filter-text").fill(room);
    await operator.waitForFunction((id) => {
      const rows = [...document.querySelectorAll("#actors tr[data-id]")];
      return rows.length === 1 && rows[0].dataset.id === id;
    }, room);
  });

  await step("restarts it and sees the restarts rise", async () => {
    const before = await number("restarts");
    await row.locator("[data-column=action] button").click();
    await operator.locator("#restart-dialog #restart-id", { hasText: room }).waitFor();
    await operator.locator("#restart-go").click();
    await operator.locator("#restart-dialog").waitFor({ state: "hidden" });
    await operator.waitForFunction(([id, least]) => {
      const cell = document.querySelector(`#actors tr[data-kind=chat_room][data-id="${id}"] [data-column=restarts]`);
      return Number(cell?.textContent) > least;
    }, [room, before]);
  });

  await step("the rebuilt room goes on", async () => {
    await say(client, "Still here?");
    await said(client, "Still here?").waitFor();
    await client.reload();
    for (const text of [asked, answered, "Still here?"]) await said(client, text).waitFor();
  });

  await step("the API reference is readable", async () => {
    await operator.goto(new URL("/docs", base).href);
    await operator.locator(".operation#post-api-v1-chat-rooms").waitFor();
    await operator.locator("#docs-filter").fill("sessions");
    await operator.locator(".operation#post-api-v1-auth-sessions").waitFor();
    await operator.locator(".operation#post-api-v1-chat-rooms").waitFor({ state: "hidden" });
  });

  await step("signs out", async () => {
    await client.locator("#sign-out").click();
    await client.locator("[data-demo=client]").waitFor();
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
  for (const [i, page] of pages.entries()) await page.screenshot({ path: join(out, `failed-${i + 1}.png`) }).catch(() => {});
} finally {
  await browser?.close();
}
for (const trouble of troubles) console.error(trouble);
console.log(troubles.length ? "the browser's visit failed" : "the browser's visit went well");
process.exit(troubles.length ? 1 : 0);
