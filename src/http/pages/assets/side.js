// Beside an open room: a thread, what a search found, what is pinned. One at a time.

import { get, withQuery } from "./api.js";
import { $, count, dayOf, exactTime, h, setNote, setText, timeOf } from "./dom.js";
import { Outbox } from "./outbox.js";
import { avatar, lookUp, nameOf } from "./people.js";
import { rich } from "./rich.js";
import { explain } from "./session.js";
import { Timeline } from "./timeline.js";

const PAGE = 30;

export class Side {
  #client;
  #me;
  #room;
  #hooks;
  #shown = null; // "thread", "search" or "pins"
  #root = null; // of the thread
  #timeline = null;
  #outbox = null;
  #opener = null;
  #asked = 0;
  #off = new AbortController();

  /** `entryOf(item)` makes an entry of what the API answers; `actions` makes what a timeline can do to messages. */
  constructor(client, me, room, hooks) {
    this.#client = client;
    this.#me = me;
    this.#room = room;
    this.#hooks = hooks;
    const on = (id, event, run) => $(id).addEventListener(event, run, { signal: this.#off.signal });
    on("side-close", "click", () => this.close());
    on("side", "keydown", (event) => event.key === "Escape" && this.close());
    on("thread-composer", "submit", (event) => {
      event.preventDefault();
      this.#reply();
    });
    on("thread-draft", "keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#reply();
    });
    on("search-form", "submit", (event) => {
      event.preventDefault();
      this.search($("search-q").value.trim());
    });
    on("pinned", "click", () => this.pins());
    this.#clear();
    $("side").hidden = true;
  }

  end() {
    this.#clear();
    this.#off.abort();
    $("side").hidden = true;
    $("search-q").value = "";
  }

  close() {
    if ($("side").hidden) return;
    const had = $("side").contains(document.activeElement);
    $("side").hidden = true;
    this.#clear();
    if (!had) return;
    // Back to what opened it; messages are drawn anew, so it may be another element by now.
    const again = this.#opener?.isConnected ? this.#opener : $("draft");
    again.focus();
  }

  #clear() {
    this.#asked += 1;
    this.#shown = this.#root = null;
    this.#outbox?.close();
    this.#outbox = this.#timeline = null;
    $("thread-list").replaceChildren();
    $("side-list").replaceChildren();
    $("side-more").replaceChildren();
    $("thread-composer").hidden = true;
    setNote($("side-note"), null);
  }

  #show(what, title) {
    if (!$("side").contains(document.activeElement)) this.#opener = document.activeElement;
    this.#clear();
    this.#shown = what;
    setText($("side-title"), title);
    $("side").hidden = false;
    $("side-title").focus();
    return this.#asked;
  }

  /** Whether what was asked for is still what is shown. */
  #is(asked) {
    return asked === this.#asked && !this.#off.signal.aborted;
  }

  // ---- a thread -------------------------------------------------------------------------------

  /** Opens the thread that a message begins or belongs to. */
  async thread(entry) {
    const asked = this.#show("thread", "Thread");
    const timeline = new Timeline($("thread-list"), this.#me.id, this.#hooks.actions(() => this.#timeline, () => this.#outbox));
    this.#timeline = timeline;
    try {
      let after;
      do {
        const page = await get(withQuery(`/api/v1/chat/rooms/${this.#room.id}/messages/${entry.id}/thread`, { limit: 100, after }));
        if (!this.#is(asked)) return;
        this.#root = page.root.id;
        for (const item of after === undefined ? [page.root, ...page.items] : page.items) this.#put(item);
        after = page.next_after;
      } while (after);
      setText($("side-title"), `Thread · ${count(timeline.byId(this.#root)?.replies ?? 0, "reply", "replies")}`);
      this.#outbox = new Outbox(this.#client, this.#room.id, timeline, (sent, answer) => {
        timeline.put({ ...sent, id: answer.message_id, seq: Number(answer.seq) });
      });
      $("thread-composer").hidden = Boolean(this.#room.archived_at);
      $("thread-draft").value = "";
      this.#end();
    } catch (error) {
      if (this.#is(asked)) setNote($("side-note"), explain(error));
    }
  }

  #put(item) {
    const entry = this.#hooks.entryOf(item);
    return entry ? this.#timeline.put(entry) : false;
  }

  #reply() {
    const body = $("thread-draft").value.trim();
    if (!body || !this.#outbox) return;
    this.#outbox.write(this.#me.id, body, this.#root);
    $("thread-draft").value = "";
    this.#end();
  }

  #end() {
    $("side-scroller").scrollTop = $("side-scroller").scrollHeight;
  }

  /** Something was published in the room. */
  published(data) {
    if (this.#shown === "thread" && this.#root) {
      if (data.type === "message" && data.thread === this.#root) {
        const entry = this.#hooks.entryOf(data);
        this.#timeline.put(entry);
        this.#timeline.replied(entry);
        this.#end();
      } else if (data.type === "hidden") {
        this.#timeline.hidden(data);
      } else if (data.message_id) {
        this.#timeline.apply(data);
      }
      const root = this.#timeline.byId(this.#root);
      if (root) setText($("side-title"), `Thread · ${count(root.replies, "reply", "replies")}`);
    } else if (this.#shown === "pins" && (data.type === "pin" || data.type === "delete")) {
      this.pins();
    }
  }

  renamed(user) {
    this.#timeline?.renamed(user);
  }

  // ---- found, pinned --------------------------------------------------------------------------

  async search(q) {
    if (!q) return this.close();
    const asked = this.#show("search", `Found: ${q}`);
    setNote($("side-note"), "Looking…");
    await this.#more(asked, q);
  }

  async #more(asked, q, cursor) {
    try {
      const page = await get(withQuery(`/api/v1/chat/rooms/${this.#room.id}/search`, { q, limit: PAGE, cursor }));
      await Promise.all(page.items.map((item) => lookUp(item.sender_id)));
      if (!this.#is(asked)) return;
      $("side-list").append(...page.items.map((item) => this.#found(item)));
      const found = $("side-list").childElementCount;
      setNote($("side-note"), found ? `${count(found, "message")}${page.next_cursor ? ", and more" : ""}` : "Nothing was found. All words have to be in a message.");
      $("side-more").replaceChildren();
      if (page.next_cursor) {
        const more = h("button", { type: "button", class: "quiet" }, "Earlier ones");
        more.addEventListener("click", () => this.#more(asked, q, page.next_cursor));
        $("side-more").append(more);
      }
    } catch (error) {
      if (this.#is(asked)) setNote($("side-note"), explain(error));
    }
  }

  async pins() {
    const refreshed = this.#shown === "pins";
    const asked = refreshed ? this.#asked : this.#show("pins", "Pinned messages");
    try {
      const { items } = await get(`/api/v1/chat/rooms/${this.#room.id}/pins`);
      await Promise.all(items.map((item) => lookUp(item.sender_id)));
      if (!this.#is(asked)) return;
      $("side-list").replaceChildren(...items.map((item) => this.#found(item)));
      setNote($("side-note"), items.length ? null : "Nothing is pinned.");
    } catch (error) {
      if (this.#is(asked)) setNote($("side-note"), explain(error));
    }
  }

  /** A message in a list, with a way to its thread. */
  #found(item) {
    const entry = this.#hooks.entryOf(item);
    const at = new Date(item.created_at);
    const open = h("button", { type: "button", class: "link" }, item.thread || item.replies ? "Open the thread" : "Reply in a thread");
    open.addEventListener("click", () => this.thread(entry));
    return h("li", { class: "hit", dataset: { message: item.id } }, avatar(item.sender_id),
      h("div", {}, h("p", { class: "by" }, h("b", {}, item.sender_id === this.#me.id ? "You" : nameOf(item.sender_id)),
        h("time", { dateTime: item.created_at, title: exactTime(at) }, `${dayOf(at)}, ${timeOf(at)}`)),
        h("p", { class: "body" }, rich(entry)), open));
  }
}
