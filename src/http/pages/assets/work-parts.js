// What the pages of work have in common: states, dates, buttons that take a step, live channels.

import { h, setNote } from "./dom.js";
import { explain } from "./session.js";
import { TONE } from "./words.js";

const date = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const moment = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });

export const day = (text) => date.format(new Date(text));
export const time = (text) => h("time", { dateTime: text }, moment.format(new Date(text)));

/** A state as a small badge. */
export const badge = (state, words) => h("span", { class: "badge", dataset: { state, tone: TONE[state] ?? "plain" } }, words[state] ?? state);

/** The heading of a page, which takes the focus when the page is shown. */
export const heading = (text) => h("h1", { tabIndex: -1 }, text);

/** A link to another page of work. */
export const to = (hash, text, props = {}) => h("a", { href: `#${hash}`, ...props }, text);

/** Skills as a row of words. */
export const chips = (skills) => h("ul", { class: "skills", "aria-label": "Skills" }, ...skills.map((skill) => h("li", {}, skill)));

/** A button that does something with the server and says beside it why it did not. */
export function action(text, run, { main = false, danger = false, step } = {}) {
  const note = h("p", { class: "error", role: "alert", hidden: true });
  const button = h("button", { type: "button", class: main ? "main" : danger ? "danger" : "", dataset: step ? { step } : {} }, text);
  button.addEventListener("click", async () => {
    button.disabled = true;
    setNote(note, null);
    try {
      await run();
    } catch (error) {
      setNote(note, explain(error));
    } finally {
      button.disabled = false;
    }
  });
  return h("span", { class: "action" }, button, note);
}

/** Buttons for the steps that are allowed, in the order of `words`. */
export function steps(allowed, words, take) {
  const known = Object.keys(words).filter((step) => allowed.includes(step));
  const aside = ["cancel", "end", "remove", "reject", "withdraw", "decline", "dispute", "request_refund", "pause"];
  return known.map((step, n) => action(words[step], () => take(step), { step, main: n === 0 && !aside.includes(step) }));
}

/** A text of several lines with a label. */
export function area(label, props, help) {
  const id = `a-${props.name}-${Math.random().toString(36).slice(2, 8)}`;
  const note = h("p", { class: "help", id: `${id}-help` }, help ?? "");
  const input = h("textarea", { id, "aria-describedby": note.id, rows: 4, ...props });
  const box = h("div", { class: "field" }, h("label", { for: id }, label), input, note);
  box.wrong = (text) => {
    input.toggleAttribute("aria-invalid", Boolean(text));
    note.textContent = text ?? help ?? "";
    note.classList.toggle("error", Boolean(text));
  };
  box.input = input;
  return box;
}

/** Listens to a channel; `gap()` is called when something may have been missed. Answers how to stop. */
export function listen(client, channel, heard, gap) {
  let sub = client.getSubscription(channel);
  if (sub) client.removeSubscription(sub);
  sub = client.newSubscription(channel);
  sub.on("publication", ({ data }) => heard(data));
  sub.on("subscribed", (context) => context.wasRecovering && !context.recovered && gap());
  sub.subscribe();
  return () => {
    sub.removeAllListeners();
    sub.unsubscribe();
    client.removeSubscription(sub);
  };
}

/** Runs `load` one at a time; what asks meanwhile is served by one more run. */
export function once(load) {
  let [running, again] = [null, false];
  const run = async () => {
    do {
      again = false;
      await load();
    } while (again);
  };
  return () => {
    if (running) again = true;
    else running = run().finally(() => (running = null));
    return running;
  };
}
