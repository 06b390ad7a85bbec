// One open room: its history, what happens in it live, who is here, who is typing.

import { get, withQuery } from "./api.js";
import { $, announce, count, debounce, h, setNote, setText } from "./dom.js";
import { messageOf } from "./fold.js";
import { Draft } from "./own.js";
import { Outbox } from "./outbox.js";
import { suspend } from "./moderation.js";
import { avatar, isKnown, learn, lookUp, nameOf, Presence } from "./people.js";
import { rpcReason } from "./realtime.js";
import { explain } from "./session.js";
import { Side } from "./side.js";
import { Timeline } from "./timeline.js";

const PAGE = 40;
const TYPING_SHOWN_MS = 4000;
const TYPING_SENT_MS = 2200; // the server takes one in two seconds and swallows the others
const NEAR_END_PX = 80;
const KINDS = { direct: "Direct room", group: "Group", public: "Public room" };
const DID = { added: "was added", joined: "joined", removed: "was removed", left: "left", role: "has a new role",
  suspended: "was suspended for a while", restored: "was let write again" };

export class RoomView {
  #client;
  #me;
  #timeline;
  #outbox;
  #subs = [];
  #presence = new Presence();
  #members = [];
  #typing = new Map();
  #typedAt = 0;
  #typingTimer = null;
  #cursor;
  #loaded = false;
  #paging = false;
  #caught = null;
  #read = 0;
  #stuck = true; // whether the newest message is in view
  #composing = null;
  #seen = new Map();
  #off = new AbortController();
  #actions;
  #side;
  #draft;

  /**
   * `message(userId)` opens a direct room with somebody; `heard(roomId, message)` tells of a new one;
   * `report`, `pick`, `queue` open dialogs, `blocks` are whom this person has blocked, `quiet()` tells whether
   * nothing is to be read out.
   */
  constructor(client, me, room, actions) {
    this.#client = client;
    this.#me = me;
    this.room = room;
    this.#actions = actions;
  }

  open() {
    const { room } = this;
    const acts = (timeline, outbox) => ({
      retry: (entry) => outbox().retry(entry),
      discard: (entry) => timeline().discard(entry),
      react: (entry, emoji, remove) => this.#change("chat.react", entry, { emoji, remove }),
      pick: (entry) => this.#actions.pick((emoji) => this.#change("chat.react", entry, { emoji, remove: entry.reactions.some((r) => r.emoji === emoji && r.mine) })),
      pin: (entry) => this.#change("chat.pin", entry, { remove: entry.pinned }),
      remove: (entry) => this.#change("chat.delete", entry, {}),
      report: (entry) => this.#actions.report(room, entry),
      reply: (entry) => this.#compose("reply", entry),
      edit: (entry) => this.#compose("edit", entry),
      thread: (entry) => this.#side.thread(entry),
      may: (entry, mine) => this.#may(mine),
    });
    this.#timeline = new Timeline($("timeline"), this.#me.id, acts(() => this.#timeline, () => this.#outbox));
    this.#side = new Side(this.#client, this.#me, room, {
      entryOf: (item) => this.#entry(item),
      actions: (timeline, outbox) => ({ ...acts(timeline, outbox), may: (entry, mine) => ({ ...this.#may(mine), thread: false }) }),
    });
    this.#timeline.clear();
    this.#outbox = new Outbox(this.#client, room.id, this.#timeline, (entry, answer) => {
      this.#timeline.put({ ...entry, id: answer.message_id, seq: Number(answer.seq) });
      this.#heard(entry);
    });
    $("no-room").hidden = true;
    $("room-inner").hidden = false;
    setText($("room-title"), room.title);
    $("composer").hidden = Boolean(room.archived_at);
    $("room-actions").hidden = room.kind === "direct";
    $("room-reports").hidden = room.kind === "direct" || !["admin", "owner"].includes(room.role);
    $("add-people").hidden = Boolean(room.archived_at) || !["admin", "owner"].includes(room.role);
    setNote($("room-state"), null);
    setText($("typing"), "");
    $("older").hidden = true;
    $("composing").hidden = true;
    setNote($("pinned"), null);
    if (room.archived_at) this.#warn("This room is archived: it can be read, and takes nothing new.");
    this.#drawPeople();
    this.#listen();
    this.#subscribe();
    this.#loadMembers();
  }

  close() {
    this.#off.abort();
    this.#outbox.close();
    this.#side.end();
    this.#draft.close();
    for (const timer of this.#typing.values()) clearTimeout(timer);
    for (const sub of this.#subs) {
      sub.removeAllListeners();
      sub.unsubscribe();
      this.#client.removeSubscription(sub);
    }
    $("room-inner").hidden = true;
    $("no-room").hidden = false;
  }

  get #closed() {
    return this.#off.signal.aborted;
  }

  // ---- live -----------------------------------------------------------------------------------

  #subscribe() {
    const { id } = this.room;
    const chat = this.#client.newSubscription(`chat:${id}`, { recoverable: true, joinLeave: true });
    chat.on("subscribed", (context) => this.#subscribed(context));
    chat.on("subscribing", () => {
      if (this.#loaded) this.#warn("Connection lost. What you write is kept and sent when it is back.");
    });
    chat.on("unsubscribed", (context) => {
      if (context.code !== 0) this.#warn(`This room is closed to you: ${context.reason || "no longer a member"}.`);
    });
    chat.on("publication", (context) => this.#published(context));
    chat.on("join", ({ info }) => this.#came(info));
    chat.on("leave", ({ info }) => {
      this.#presence.leave(info);
      this.#drawPeople();
    });
    const typing = this.#client.newSubscription(`typing:${id}`);
    typing.on("publication", ({ data, info }) => this.#isTyping(data?.user_id ?? info?.user, data?.for_ms));
    this.#subs = [chat, typing];
    for (const sub of this.#subs) sub.subscribe();
  }

  async #subscribed(context) {
    const sub = this.#subs[0];
    sub.presence().then(({ clients }) => {
      if (this.#closed) return;
      this.#presence.reset(clients);
      this.#drawPeople();
    }, () => {});
    if (!this.#loaded) return this.#load();
    if (context.wasRecovering && context.recovered) {
      // The SDK hands over what was missed right after this event, before anything else runs.
      this.#caught = 0;
      queueMicrotask(() => {
        this.#say(this.#caught ? `Back. Caught up on ${count(this.#caught, "message")}.` : "Back. Nothing was missed.", true);
        this.#caught = null;
      });
    } else {
      await this.#load();
      this.#say("Back. The gap was too long to replay, so the latest messages were loaded again.");
    }
  }

  #published({ data }) {
    const entry = this.#entry(data);
    if (!entry) {
      if (data?.type === "receipt") this.#seenBy(data.user_id, Number(data.seen));
      else if (data?.type === "hidden") this.#timeline.hidden(data);
      else if (data?.message_id) this.#timeline.apply(data);
      if (data?.type === "pin" || data?.type === "delete") this.#loadPins();
      if (data) this.#side.published(data);
      return;
    }
    const atEnd = this.#atEnd;
    const fresh = this.#timeline.put(entry);
    this.#side.published(data);
    if (entry.kind === "member") this.#loadMembersSoon();
    if (!fresh) return;
    if (entry.kind === "message") {
      this.#stopTyping(entry.sender);
      this.#timeline.replied(entry);
      this.#heard(entry);
      if (this.#caught !== null) this.#caught += 1;
      if (!this.room.own?.muted && !this.#actions.quiet()) lookUp(entry.sender).then((name) => announce(`${name}: ${entry.body}`));
    }
    if (atEnd) this.#toEnd();
    else $("to-end").hidden = false;
    this.#markRead();
  }

  #heard({ sender, body, at }) {
    this.#actions.heard(this.room.id, { sender_id: sender, body, created_at: at.toISOString() });
  }

  /** Another device changed what this person has set for the room. */
  settings(own) {
    const { draft } = own;
    this.room.own = { ...this.room.own, ...own };
    this.#draft.heard(draft);
  }

  /** What may be seen is another thing now: whom somebody has blocked changed. */
  reload() {
    if (this.#loaded) this.#load();
    this.#drawPeople();
  }

  /** Those whom the room has, as far as they are known here. */
  get memberIds() {
    return this.#members;
  }

  /** What the timeline shows of an event of the log, from history or live. */
  #entry(item) {
    if (!item || !item.seq) return null;
    const kind = item.type ?? item.kind ?? "message";
    const base = { seq: Number(item.seq), id: item.message_id ?? item.id, at: new Date(item.created_at), clientId: item.client_msg_id };
    learn(item.sender_id, item.sender_name ?? item.sender?.display_name);
    if (item.system) return { ...base, kind: "system", text: () => item.body };
    if (kind === "message") {
      const message = { ...base, ...messageOf(item, this.#me.id), kind, sender: item.sender_id };
      return item.deleted_at ? { ...message, kind: "deleted" } : message;
    }
    if (kind === "member") {
      const about = item.user_id;
      if (about && !isKnown(about)) lookUp(about).then(() => this.#timeline.renamed(about));
      return { ...base, kind, about, text: () => `${about === this.#me.id ? "You" : nameOf(about)} ${this.#did(item, about)}` };
    }
    if (kind === "system" || kind === "room") return { ...base, kind, text: () => item.text ?? item.body ?? "The room was changed" };
    return null;
  }

  #did(item, about) {
    const text = DID[item.action] ?? "changed";
    return about === this.#me.id ? text.replace(/^was /, "were ").replace(/^has /, "have ") : text;
  }

  // ---- history --------------------------------------------------------------------------------

  /** The newest page; replaces what is shown, so that no hole is left in it. */
  async #load() {
    try {
      const page = await this.#page();
      if (this.#closed) return;
      this.#timeline.clear();
      for (const item of page.items) this.#putOld(item);
      this.#timeline.requote();
      this.#cursor = page.next_cursor;
      this.#loaded = true;
      this.#loadPins();
      this.#loadReceipts();
      $("older").hidden = !this.#cursor;
      this.#toEnd();
      this.#markRead();
    } catch (error) {
      if (!this.#closed) this.#warn(explain(error));
    }
  }

  async older() {
    if (!this.#cursor || this.#paging) return;
    this.#paging = true;
    const scroller = $("scroller");
    try {
      const page = await this.#page(this.#cursor);
      if (this.#closed) return;
      const fromEnd = scroller.scrollHeight - scroller.scrollTop;
      for (const item of page.items) this.#putOld(item);
      this.#timeline.requote();
      this.#cursor = page.next_cursor;
      $("older").hidden = !this.#cursor;
      // What was being read stays where it was.
      scroller.scrollTop = scroller.scrollHeight - fromEnd;
    } catch (error) {
      this.#warn(explain(error));
    } finally {
      this.#paging = false;
    }
  }

  // ---- what is done to messages ---------------------------------------------------------------

  #may(mine) {
    const { kind, role, archived_at: archived, rules } = this.room;
    const admin = ["admin", "owner"].includes(role);
    const open = !archived;
    return { write: open, thread: true, pin: open && (admin || (rules?.pin ?? (kind === "direct" ? "member" : "admin")) === "member"), remove: mine || admin };
  }

  async #change(method, entry, more) {
    try {
      await this.#client.rpc(method, { room: this.room.id, message_id: entry.id, ...more });
    } catch (error) {
      if (!this.#closed) this.#warn(`Not done: ${rpcReason(error)}`);
    }
  }

  /** What the composer is for: a new message, a reply, or another text for one. */
  #compose(what, entry) {
    const editing = this.#composing?.what === "edit";
    if (what === "edit" || editing) this.#draft.hold(what === "edit");
    this.#composing = what && { what, entry };
    const draft = $("draft");
    $("composing").hidden = !what;
    if (what) setText($("composing-text"), what === "edit" ? "Editing your message" : `Replying to ${entry.sender === this.#me.id ? "yourself" : nameOf(entry.sender)}: ${entry.body}`);
    if (what === "edit") draft.value = entry.body;
    else if (editing) draft.value = this.room.own?.draft ?? "";
    fit(draft);
    draft.focus();
  }

  async #loadPins() {
    try {
      const { items } = await get(`/api/v1/chat/rooms/${this.room.id}/pins`);
      if (this.#closed) return;
      setNote($("pinned"), items.length ? `Pinned: ${items[0].body}${items.length > 1 ? ` (and ${items.length - 1} more)` : ""}` : null);
    } catch {
      // An ornament.
    }
  }

  async #loadReceipts() {
    try {
      const { items } = await get(`/api/v1/chat/rooms/${this.room.id}/receipts`);
      if (!this.#closed) for (const { user_id: user, seen } of items) this.#seenBy(user, seen);
    } catch {
      // An ornament.
    }
  }

  #seenBy(user, seq) {
    if (user === this.#me.id || !seq) return;
    this.#seen.set(user, Math.max(seq, this.#seen.get(user) ?? 0));
    const most = Math.max(...this.#seen.values());
    const names = () => [...this.#seen].filter(([, at]) => at === most).map(([id]) => nameOf(id)).join(", ");
    lookUp(user).then(() => this.#closed || this.#timeline.seenUpTo(most, names()));
  }

  #page(cursor) {
    return get(withQuery(`/api/v1/chat/rooms/${this.room.id}/messages`, { limit: PAGE, cursor }));
  }

  #putOld(item) {
    const entry = this.#entry(item);
    if (entry) this.#timeline.put(entry);
  }

  #markRead = debounce(800, () => {
    const seq = this.#timeline.newest;
    if (this.#closed || document.hidden || !this.#atEnd || seq <= this.#read) return;
    this.#read = seq;
    this.#client.rpc("chat.read", { room: this.room.id, seq }).then(() => (this.room.unread = 0), () => {});
  });

  // ---- people ---------------------------------------------------------------------------------

  async #loadMembers() {
    try {
      const { items } = await get(withQuery(`/api/v1/chat/rooms/${this.room.id}/members`, { limit: 100 }));
      if (this.#closed) return;
      for (const member of items) learn(member.user_id, member.display_name);
      this.#members = items.map((member) => member.user_id);
      for (const id of this.#members.filter((id) => !isKnown(id))) lookUp(id).then(() => this.#renamed(id));
      this.#drawPeople();
    } catch {
      // The room works without the list; presence still tells who is here.
    }
  }

  #loadMembersSoon = debounce(300, () => this.#closed || this.#loadMembers());

  #renamed(user) {
    if (this.#closed) return;
    this.#timeline.renamed(user);
    this.#side.renamed(user);
    this.#drawPeople();
  }

  #came(info) {
    this.#presence.join(info);
    if (!isKnown(info.user)) lookUp(info.user).then(() => this.#renamed(info.user));
    this.#drawPeople();
  }

  #drawPeople() {
    const here = this.#presence.users;
    const everyone = [...new Set([...here, ...this.#members])];
    everyone.sort((a, b) => Number(here.includes(b)) - Number(here.includes(a)) || nameOf(a).localeCompare(nameOf(b)));
    const total = Math.max(this.room.member_count ?? 0, everyone.length);
    setText($("room-sub"), [KINDS[this.room.kind], this.room.kind === "direct" ? null : count(total, "member"), `${here.length} here`]
      .filter(Boolean).join(" · "));
    setText($("people-toggle"), `${here.length} here`);
    $("people-list").replaceChildren(...everyone.map((id) => this.#person(id, here.includes(id))));
  }

  #person(id, here) {
    const mine = id === this.#me.id;
    const row = h("li", { class: here ? "here" : "away", dataset: { user: id } }, avatar(id),
      h("span", { class: "name" }, mine ? `${nameOf(id)} (you)` : nameOf(id), h("span", { class: "hidden" }, here ? ", here" : ", away")));
    if (!mine && this.room.kind !== "direct") {
      const button = h("button", { type: "button", class: "link", "aria-label": `Message ${nameOf(id)}` }, "Message");
      button.addEventListener("click", () => this.#actions.message(id));
      row.append(button);
    }
    if (!mine) row.append(...this.#measures(id));
    return row;
  }

  /** What can be done about somebody. */
  #measures(id) {
    const { blocks } = this.#actions;
    const blocked = blocks.has(id);
    const act = (label, hint, run) => {
      const button = h("button", { type: "button", class: "link", "aria-label": `${hint} ${nameOf(id)}` }, label);
      button.addEventListener("click", async () => {
        button.disabled = true;
        try {
          this.#say(await run());
        } catch (error) {
          this.#warn(explain(error));
        }
        button.disabled = false;
      });
      return button;
    };
    const measures = [act(blocked ? "Unblock" : "Block", blocked ? "Unblock" : "Block", async () => {
      await blocks.set(id, !blocked);
      return blocked ? `${nameOf(id)} is no longer blocked.` : `${nameOf(id)} is blocked: you do not see what they write.`;
    })];
    if (this.room.kind !== "direct" && ["admin", "owner"].includes(this.room.role)) {
      measures.push(act("Suspend", "Suspend for an hour:", async () => {
        await suspend(this.room.id, id);
        return `${nameOf(id)} cannot write for an hour.`;
      }));
    }
    return measures;
  }

  // ---- typing ---------------------------------------------------------------------------------

  #isTyping(user, shownMs = TYPING_SHOWN_MS) {
    if (!user || user === this.#me.id) return;
    clearTimeout(this.#typing.get(user));
    this.#typing.set(user, setTimeout(() => this.#stopTyping(user), shownMs));
    lookUp(user).then(() => this.#drawTyping());
  }

  #stopTyping(user) {
    clearTimeout(this.#typing.get(user));
    if (this.#typing.delete(user)) this.#drawTyping();
  }

  #drawTyping() {
    if (this.#closed) return;
    const names = [...this.#typing.keys()].map(nameOf);
    const text = names.length > 2 ? "Several people are typing…"
      : names.length ? `${names.join(" and ")} ${names.length === 1 ? "is" : "are"} typing…` : "";
    setText($("typing"), text);
  }

  /** Says that one types: at once, and again as long as it goes on. */
  #tellTyping() {
    if (this.#typingTimer) return;
    const wait = Math.max(0, this.#typedAt + TYPING_SENT_MS - Date.now());
    this.#typingTimer = setTimeout(() => {
      this.#typingTimer = null;
      if (this.#closed || !$("draft").value.trim() || this.#client.state !== "connected") return;
      this.#typedAt = Date.now();
      this.#client.rpc("typing.start", { room: this.room.id }).catch(() => {});
    }, wait);
  }

  // ---- the page -------------------------------------------------------------------------------

  #listen() {
    const on = (id, event, run) => $(id).addEventListener(event, run, { signal: this.#off.signal });
    const draft = $("draft");
    this.#draft = new Draft(this.room, draft, () => fit(draft));
    fit(draft);
    on("composer", "submit", (event) => {
      event.preventDefault();
      const body = draft.value.trim();
      if (!body) return draft.focus();
      const { what, entry } = this.#composing ?? {};
      if (what !== "edit") {
        this.#draft.sent();
        draft.value = "";
      }
      this.#compose(null);
      if (what === "edit") return body === entry.body || this.#change("chat.edit", entry, { body });
      this.#outbox.write(this.#me.id, body, entry?.id);
      this.#toEnd();
      draft.focus();
    });
    on("composing-cancel", "click", () => this.#compose(null));
    on("draft", "keydown", (event) => {
      if (event.key === "Escape" && this.#composing) this.#compose(null);
      // While an input method composes, Enter belongs to it.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      $("composer").requestSubmit();
    });
    on("draft", "input", () => {
      fit(draft);
      this.#draft.typed();
      if (draft.value.trim()) this.#tellTyping();
    });
    on("room-reports", "click", () => this.#actions.queue(this.room));
    on("older", "click", () => this.older());
    on("to-end", "click", () => this.#toEnd());
    on("scroller", "scroll", () => {
      this.#stuck = this.#atEnd;
      if (this.#stuck) {
        $("to-end").hidden = true;
        this.#markRead();
      }
      if (this.#loaded && $("scroller").scrollTop < 120) this.older();
    });
    document.addEventListener("visibilitychange", () => this.#markRead(), { signal: this.#off.signal });
    // A window that gets smaller (a phone's keyboard) must not hide the newest message.
    const resized = new ResizeObserver(() => this.#stuck && this.#toEnd());
    resized.observe($("scroller"));
    this.#off.signal.addEventListener("abort", () => resized.disconnect());
  }

  get #atEnd() {
    const { scrollHeight, scrollTop, clientHeight } = $("scroller");
    return scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
  }

  #toEnd() {
    const scroller = $("scroller");
    scroller.scrollTop = scroller.scrollHeight;
    this.#stuck = true;
    $("to-end").hidden = true;
  }

  #warn(text) {
    $("room-state").classList.remove("good");
    setNote($("room-state"), text);
  }

  #say(text, good = false) {
    const strip = $("room-state");
    setNote(strip, text);
    strip.classList.toggle("good", good);
    announce(text);
    setTimeout(() => {
      if (strip.textContent === text) setNote(strip, null);
    }, 8000);
  }
}

/** As high as its text, up to what the style allows. */
function fit(area) {
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight + 2}px`;
}
