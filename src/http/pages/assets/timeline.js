// The list of messages: one element a message, in the order of `seq`, what is not confirmed yet last.

import { dayOf, exactTime, h, timeOf } from "./dom.js";
import { avatar, isKnown, lookUp, nameOf } from "./people.js";

const GROUP_MS = 5 * 60_000;

/**
 * Entries are {seq?, id?, kind, sender, body, at, clientId?, state?}. Those with a `seq` are in the
 * room's log; the others are on their way and keep the order in which they were written.
 */
export class Timeline {
  #list;
  #me;
  #logged = []; // by seq
  #pending = [];
  #actions;

  constructor(list, me, actions) {
    this.#list = list;
    this.#me = me;
    this.#actions = actions;
  }

  clear() {
    this.#logged = [];
    this.#list.replaceChildren(...this.#pending.map((entry) => entry.element));
    this.#refreshAll();
  }

  get newest() {
    return this.#logged.at(-1)?.seq ?? 0;
  }

  get oldest() {
    return this.#logged[0]?.seq ?? Infinity;
  }

  get pending() {
    return this.#pending;
  }

  /** An own message that is on its way. */
  addPending(entry) {
    entry.element = h("li");
    this.#pending.push(entry);
    this.#list.append(entry.element);
    this.#draw(this.#logged.length + this.#pending.length - 1);
  }

  /** Something about a pending message changed. */
  changed(entry) {
    const at = this.#all().indexOf(entry);
    if (at >= 0) this.#draw(at);
  }

  discard(entry) {
    this.#pending = this.#pending.filter((other) => other !== entry);
    entry.element.remove();
    this.#refreshAll();
  }

  /** Puts an entry of the log in its place. Answers whether it was new here. */
  put(entry) {
    const twin = this.#pending.find((p) => entry.clientId && p.clientId === entry.clientId && entry.sender === this.#me);
    if (twin) {
      // The optimistic element becomes the message: nothing flickers, nothing shows twice.
      this.#pending = this.#pending.filter((p) => p !== twin);
      entry = Object.assign(twin, entry, { state: undefined });
    }
    const at = this.#place(entry.seq);
    if (this.#logged[at]?.seq === entry.seq) {
      if (twin) twin.element.remove();
      return false;
    }
    entry.element ??= h("li");
    const next = this.#logged[at]?.element ?? this.#pending[0]?.element ?? null;
    // A sent message that is already in place must not be moved: it would lose focus and selection.
    if (!entry.element.isConnected || entry.element.nextElementSibling !== next) this.#list.insertBefore(entry.element, next);
    this.#logged.splice(at, 0, entry);
    this.#draw(at);
    this.#draw(at + 1);
    if (entry.sender && !isKnown(entry.sender)) lookUp(entry.sender).then(() => this.renamed(entry.sender));
    return !twin;
  }

  /** A message was edited (`body`) or deleted (`null`). */
  revise(id, body) {
    const at = this.#logged.findIndex((entry) => entry.id === id);
    if (at < 0) return;
    const entry = this.#logged[at];
    if (body === null) entry.kind = "deleted";
    else Object.assign(entry, { body, edited: true });
    this.#draw(at);
  }

  renamed(user) {
    this.#all().forEach((entry, at) => {
      if (entry.sender === user || entry.about === user) this.#draw(at);
    });
  }

  #all() {
    return [...this.#logged, ...this.#pending];
  }

  #place(seq) {
    let [low, high] = [0, this.#logged.length];
    if (high && this.#logged[high - 1].seq < seq) return high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#logged[middle].seq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #at(index) {
    return index < this.#logged.length ? this.#logged[index] : this.#pending[index - this.#logged.length];
  }

  #refreshAll() {
    for (let i = 0; i < this.#logged.length + this.#pending.length; i++) this.#draw(i);
  }

  #draw(index) {
    const entry = this.#at(index);
    if (!entry) return;
    const before = index > 0 ? this.#at(index - 1) : undefined;
    const newDay = !before || dayOf(before.at) !== dayOf(entry.at);
    const { element } = entry;
    element.className = "entry";
    if (entry.seq) element.dataset.seq = entry.seq;
    const parts = newDay ? [h("p", { class: "day" }, dayOf(entry.at))] : [];
    if (entry.kind === "message" || entry.kind === "deleted") {
      const mine = entry.sender === this.#me;
      const follows = !newDay && before.kind === entry.kind && before.sender === entry.sender && entry.at - before.at < GROUP_MS;
      element.classList.toggle("mine", mine);
      element.classList.toggle("follows", Boolean(follows));
      parts.push(this.#bubble(entry, mine, follows));
    } else {
      element.classList.add("system");
      parts.push(h("p", { class: "event" }, entry.text?.() ?? ""));
    }
    element.dataset.state = entry.state ?? "logged";
    element.replaceChildren(...parts);
  }

  #bubble(entry, mine, follows) {
    const deleted = entry.kind === "deleted";
    const head = follows ? null : h("p", { class: "by" },
      h("b", {}, mine ? "You" : nameOf(entry.sender)),
      h("time", { dateTime: entry.at.toISOString(), title: exactTime(entry.at) }, timeOf(entry.at)));
    const body = h("p", { class: "body" }, deleted ? "This message was deleted." : entry.body);
    if (follows) body.title = exactTime(entry.at);
    const foot = [];
    if (entry.edited) foot.push("edited");
    if (entry.state === "sending") foot.push("Sending…");
    if (entry.state === "waiting") foot.push("Waiting for the connection");
    const note = foot.length ? h("p", { class: "state" }, foot.join(" · ")) : null;
    const failed = entry.state === "failed" ? h("p", { class: "state error", role: "alert" }, `Not sent: ${entry.reason}. `,
      this.#button("Try again", () => this.#actions.retry(entry)), " ", this.#button("Discard", () => this.#actions.discard(entry))) : null;
    return h("div", { class: "said" }, mine || follows ? null : avatar(entry.sender),
      h("div", { class: `bubble${deleted ? " deleted" : ""}` }, head, body, note, failed));
  }

  #button(text, go) {
    const button = h("button", { type: "button", class: "link" }, text);
    button.addEventListener("click", go);
    return button;
  }
}
