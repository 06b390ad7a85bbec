// The list of messages: one element a message, in the order of `seq`, what is not confirmed yet last.

import { count, dayOf, exactTime, h, timeOf } from "./dom.js";
import { fold } from "./fold.js";
import { avatar, isKnown, lookUp, nameOf } from "./people.js";
import { rich } from "./rich.js";

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
  #seen = null;

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

  byId(id) {
    return this.#logged.find((entry) => entry.id === id);
  }

  /** Something happened to a message: an event of the log. */
  apply(data) {
    const at = this.#logged.findIndex((entry) => entry.id === data.message_id);
    if (at < 0) return;
    // A reply that goes is off its thread's count.
    const root = this.byId(data.thread);
    if (data.type === "delete" && root && this.#logged[at].kind === "message" && root.changedSeq < data.seq) {
      Object.assign(root, { replies: root.replies - 1, changedSeq: Number(data.seq) });
      this.redraw(root);
    }
    if (!fold(this.#logged[at], data, this.#me)) return;
    const held = this.#focusIn(this.#logged[at].element);
    this.#draw(at);
    this.#logged[at].element.querySelector(held)?.focus();
    for (const entry of this.#logged) if (entry.replyTo === data.message_id) this.redraw(entry);
  }

  /** A reply came: it counts for the message that its thread begins with. */
  replied(entry) {
    const root = entry.thread && this.byId(entry.thread);
    if (!root || root.changedSeq >= entry.seq) return;
    Object.assign(root, { replies: root.replies + 1, changedSeq: entry.seq });
    this.redraw(root);
  }

  /** Draws what answers others anew: on a page of history the answers come first. */
  requote() {
    for (const entry of this.#logged) if (entry.replyTo && this.byId(entry.replyTo)) this.redraw(entry);
  }

  /** Somebody who is blocked said something: all that is seen of it is that a thread has a reply more. */
  hidden({ thread, seq }) {
    if (thread) this.replied({ thread, seq: Number(seq) });
  }

  redraw(entry) {
    const at = this.#logged.indexOf(entry);
    if (at >= 0) this.#draw(at);
  }

  /** Up to where others have seen what is here; shown at one's own last message. */
  seenUpTo(seq, names) {
    const before = this.#seen;
    const last = this.#logged.findLast((entry) => entry.sender === this.#me && entry.kind === "message" && entry.seq <= seq);
    this.#seen = last && { entry: last, names };
    for (const shown of [before?.entry, last]) if (shown) this.redraw(shown);
  }

  #focusIn(element) {
    const { act, emoji } = (element.contains(document.activeElement) && document.activeElement.dataset) || {};
    return act ? `[data-act="${act}"]${emoji ? `[data-emoji="${emoji}"]` : ""}` : "none";
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
    const body = h("p", { class: "body" }, deleted ? "This message was deleted." : rich(entry));
    if (follows) body.title = exactTime(entry.at);
    const foot = [];
    if (entry.pinned) foot.push("pinned");
    if (entry.edited) foot.push("edited");
    if (entry.replies) {
      const open = h("button", { type: "button", class: "link", dataset: { act: "thread" } }, count(entry.replies, "reply", "replies"));
      open.addEventListener("click", () => this.#actions.thread?.(entry));
      foot.push(open);
    }
    if (this.#seen?.entry === entry) foot.push(`seen by ${this.#seen.names}`);
    if (entry.state === "sending") foot.push("Sending…");
    if (entry.state === "waiting") foot.push("Waiting for the connection");
    const note = foot.length ? h("p", { class: "state" }, ...foot.flatMap((part, at) => (at ? [" · ", part] : [part]))) : null;
    const failed = entry.state === "failed" ? h("p", { class: "state error", role: "alert" }, `Not sent: ${entry.reason}. `,
      this.#button("Try again", () => this.#actions.retry(entry)), " ", this.#button("Discard", () => this.#actions.discard(entry))) : null;
    const answered = entry.replyTo && !deleted ? this.#quote(entry.replyTo) : null;
    const calls = entry.callsMe && !mine ? " calls-me" : "";
    return h("div", { class: "said" }, mine || follows ? null : avatar(entry.sender),
      h("div", { class: `bubble${deleted ? " deleted" : ""}${calls}` }, head, answered, body, this.#reactions(entry), note, failed,
        entry.seq && !deleted ? this.#tools(entry, mine) : null));
  }

  /** What a message answers, in a line. */
  #quote(id) {
    const to = this.byId(id);
    const text = !to ? "an earlier message" : to.kind === "deleted" ? "a deleted message" : `${to.sender === this.#me ? "You" : nameOf(to.sender)}: ${to.body}`;
    return h("p", { class: "quote" }, text);
  }

  #reactions(entry) {
    if (!entry.reactions?.length) return null;
    return h("p", { class: "reactions" }, ...entry.reactions.map(({ emoji, count: n, mine }) => {
      const chip = h("button", {
        type: "button", class: "chip", "aria-pressed": String(mine), "aria-label": `${emoji}, ${count(n, "person", "people")}`,
        dataset: { act: "react", emoji },
      }, `${emoji} ${n}`);
      chip.addEventListener("click", () => this.#actions.react(entry, emoji, mine));
      return chip;
    }));
  }

  #tools(entry, mine) {
    const tool = (act, label, text, go) => {
      const button = h("button", { type: "button", class: "tool", title: label, "aria-label": label, dataset: { act } }, text);
      button.addEventListener("click", go);
      return button;
    };
    const may = this.#actions.may(entry, mine);
    const has = entry.reactions.some((reaction) => reaction.emoji === "👍" && reaction.mine);
    return h("p", { class: "tools", role: "group", "aria-label": "What to do with this message" },
      may.write && tool("like", has ? "Take the thumbs up back" : "Thumbs up", "👍", () => this.#actions.react(entry, "👍", has)),
      may.write && tool("emoji", "React with another emoji", "☺", () => this.#actions.pick(entry)),
      may.write && tool("reply", "Reply", "Reply", () => this.#actions.reply(entry)),
      may.thread && tool("open-thread", "Thread", "Thread", () => this.#actions.thread(entry)),
      may.write && mine && tool("edit", "Edit", "Edit", () => this.#actions.edit(entry)),
      may.pin && tool("pin", entry.pinned ? "Unpin" : "Pin", entry.pinned ? "Unpin" : "Pin", () => this.#actions.pin(entry)),
      !mine && tool("report", "Report", "Report", () => this.#actions.report(entry)),
      may.remove && tool("delete", "Delete", "Delete", () => this.#actions.remove(entry)));
  }

  #button(text, go) {
    const button = h("button", { type: "button", class: "link" }, text);
    button.addEventListener("click", go);
    return button;
  }
}
