// One's data: an archive of everything, and being forgotten, context by context, as it happens: `/privacy`.

import { ApiError, all, call, get, me as whoAmI, post, signOut } from "./api.js";
import { $, h, setNote, setText, uuid } from "./dom.js";
import { connect } from "./realtime.js";
import { explain, field, onSubmit, signInPanel } from "./session.js";

const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const NAMES = {
  identity: "Your account", chat: "Messages", gigs: "Gigs and contracts", ledger: "The books", learning: "Courses",
  career: "Portfolio and mentoring", gamification: "Points and badges", notifications: "Notifications",
  activity: "Activity", objects: "Files", discovery: "Search and recommendations", privacy: "Archives", platform: "The platform beneath",
};
const STATES = {
  waiting: "waits", retrying: "tries again", failed: "an operator looks into it", working: "goes on", done: "done",
};
const EXPORTS = { gathering: "Being gathered", packing: "Being packed", ready: "Ready", expired: "Gone" };

let client;

function button(text, run, props = {}) {
  const made = h("button", { type: "button", ...props }, text);
  made.addEventListener("click", async () => {
    made.disabled = true;
    setNote($("said"), null);
    try {
      await run();
    } catch (error) {
      setNote($("said"), explain(error));
    } finally {
      made.disabled = false;
    }
  });
  return made;
}

const size = (bytes) => `${(bytes / 1e6).toLocaleString(undefined, { maximumFractionDigits: 1 })} MB`;

function archive(one) {
  const done = one.parts.filter((part) => part.state === "done").length;
  const said = one.state === "gathering" ? `${EXPORTS.gathering}: ${done} of ${one.parts.length}` : EXPORTS[one.state];
  const until = one.expires_at && one.state === "ready" ? `, until ${moment.format(new Date(one.expires_at))}` : "";
  return h("li", { class: "gig-card", dataset: { export: one.id, state: one.state } },
    h("p", {}, `${moment.format(new Date(one.created_at))}: ${said}${one.size && one.state === "ready" ? `, ${size(one.size)}` : ""}${until}`),
    one.state === "ready"
      ? button("Download", async () => location.assign((await get(`/api/v1/me/exports/${one.id}/download`)).url), { class: "main" })
      : null,
    one.state === "expired" ? null
      : button("Remove", () => call("DELETE", `/api/v1/me/exports/${one.id}`).then(archives), { class: "quiet" }));
}

async function archives() {
  const list = $("exports");
  if (list) list.replaceChildren(...(await all("/api/v1/me/exports", 20)).map(archive));
}

function receipt(one) {
  const counts = Object.entries(one.counts).map(([what, n]) => `${what}: ${n}`).join(", ");
  return h("li", { dataset: { context: one.context, state: one.state } },
    h("b", {}, NAMES[one.context] ?? one.context), ` ${STATES[one.state] ?? one.state}`,
    counts ? h("p", { class: "help" }, counts) : null,
    ...one.kept.map((text) => h("p", { class: "help" }, `Kept: ${text}`)));
}

function receipts(erasure) {
  const list = h("ul", { id: "receipts", "aria-live": "polite" }, ...erasure.receipts.map(receipt));
  const note = h("p", { id: "erased", class: "note", hidden: !erasure.completed_at }, "Everybody has forgotten you.");
  $("page").hidden = false;
  $("page").replaceChildren(h("h1", {}, "Your data is being erased"), list, note);
}

/** Watches an erasure by the session that is left, which may look and no more. */
async function watch() {
  const again = async () => {
    try {
      receipts(await get("/api/v1/me/erasure"));
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.status === 401 && $("erased")) {
        // The session went with the last receipt.
        for (const one of $("receipts").children) one.dataset.state = "done";
        $("erased").hidden = false;
        return false;
      }
      if (error instanceof ApiError && error.status === 404) return true;
      throw error;
    }
  };
  client?.disconnect();
  client = connect($("connection"));
  client.on("publication", ({ data }) => {
    if (data.type === "erasure_receipt" && $("receipts")) {
      const old = $("receipts").querySelector(`[data-context="${CSS.escape(data.context)}"]`);
      old?.replaceWith(receipt(data));
    }
    if (data.type === "erasure_completed" && $("erased")) $("erased").hidden = false;
  });
  client.connect();
  // News may be missed while the connection is made.
  while (await again()) {
    if ($("erased") && !$("erased").hidden) return;
    await new Promise((done) => { setTimeout(done, 500); });
  }
}

function erasing() {
  const password = field("Your password", { name: "password", type: "password", autocomplete: "current-password" });
  const now = h("input", { type: "checkbox", id: "at-once" });
  const error = h("p", { class: "error", role: "alert", hidden: true });
  const form = h("form", { class: "stack", id: "erase" }, password,
    h("label", { class: "check" }, now, " At once, without the fourteen days in which I could change my mind"), error,
    h("button", { type: "submit", class: "main" }, "Erase my account"));
  onSubmit(form, { password }, error, async (values) => {
    const { due_at: due } = await post("/api/v1/me/deletion", { password: values.password, at_once: now.checked });
    if (now.checked) return watch();
    setNote($("said"), `Your account is erased on ${moment.format(new Date(due))}. Until then you can take it back here.`);
    await page();
  });
  return form;
}

async function page() {
  const who = await whoAmI();
  const taken = who.deletion_due_at
    ? button("Keep my account after all", () => call("DELETE", "/api/v1/me/deletion").then(page), { id: "keep" }) : null;
  $("page").replaceChildren(
    h("h1", {}, "Your data"),
    h("h2", {}, "An archive of everything"),
    h("p", {}, "Everything that is known of you here, as a ZIP of JSON documents and your files. It is there for seven days."),
    button("Make an archive", async () => {
      await post("/api/v1/me/exports", {}, { "idempotency-key": uuid() });
      await archives();
    }, { class: "main", id: "export" }),
    h("ul", { id: "exports", "aria-live": "polite" }),
    h("h2", {}, "Being forgotten"),
    h("p", {}, "Your account, your words and your files go. What others' contracts and the books rest on stays under a number that leads to nobody."),
    ...(taken ? [h("p", {}, `Your account is erased on ${moment.format(new Date(who.deletion_due_at))}.`), taken] : []), erasing());
  await archives();
}

async function start() {
  let who;
  try {
    who = await whoAmI();
  } catch (error) {
    // The account is gone and the session is left: it may watch.
    if (error instanceof ApiError && error.status === 404) return watch();
    setNote($("said"), explain(error));
    return;
  }
  $("gate").hidden = Boolean(who);
  if (!who) {
    signInPanel($("gate"), () => location.reload());
    return;
  }
  $("who").hidden = false;
  $("page").hidden = false;
  setText($("who-name"), who.display_name);
  $("sign-out").addEventListener("click", () => signOut().finally(() => location.reload()));
  client = connect($("connection"));
  client.on("publication", ({ data }) => data.type === "export_changed" && archives());
  client.connect();
  await page();
}

start();
