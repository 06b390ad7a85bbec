// The list of rooms, and making a new one.

import { all, get, post } from "./api.js";
import { $, count, debounce, h, setNote, setText, uuid } from "./dom.js";
import { PeoplePicker } from "./people-picker.js";
import { avatar, learn, lookUp, nameOf } from "./people.js";
import { explain } from "./session.js";

const favourite = (room) => Number(Boolean(room.own?.favourite));
const lastActive = (room) => Date.parse(room.last_message?.created_at ?? room.created_at) || 0;

/** A room with the title under which it is listed. */
async function titled(room, me) {
  let title = room.name;
  if (room.kind === "direct" || room.member_count === 2) {
    const other = room.peer ?? room.members?.find((member) => member.user_id !== me.id);
    learn(other?.user_id, other?.display_name);
    const name = other && (await lookUp(other.user_id));
    title = room.kind === "direct" ? (name ?? title) : [title, name].filter(Boolean).join(" · ");
    room.peerId = other?.user_id;
  }
  return Object.assign(room, { title: title || "Room without a name" });
}

export class RoomList {
  #me;
  #open;
  #rooms = [];
  #current = null;

  /** `open(room)` is called when one is chosen. */
  constructor(me, open) {
    this.#me = me;
    this.#open = open;
  }

  get rooms() {
    return this.#rooms;
  }

  byId(id) {
    return this.#rooms.find((room) => room.id === id);
  }

  async refresh() {
    try {
      const [mine, open] = await Promise.all([all("/api/v1/chat/rooms"), get("/api/v1/chat/rooms?scope=public&limit=50")]);
      this.#rooms = await Promise.all(mine.map((room) => titled(room, this.#me)));
      await Promise.all(mine.map((room) => room.last_message && lookUp(room.last_message.sender_id)));
      const joinable = await Promise.all(open.items.filter((room) => !this.byId(room.id)).map((room) => titled(room, this.#me)));
      setNote($("rooms-note"), this.#rooms.length ? null : "You are in no room yet. Join one, or make your own.");
      this.#draw();
      $("open-title").hidden = !joinable.length;
      $("open-rooms").replaceChildren(...joinable.map((room) => this.#joinRow(room)));
    } catch (error) {
      setNote($("rooms-note"), explain(error));
    }
  }

  /** A message that came while its room is open: the list need not ask for it. */
  heard(id, message) {
    const room = this.byId(id);
    if (!room) return;
    room.last_message = message;
    this.#draw();
  }

  /** What is unread in a room, as another device of this person left it. */
  counted({ room_id: id, unread, mentions }) {
    const room = this.byId(id);
    if (!room) return;
    Object.assign(room, { unread, mentions });
    this.#draw();
  }

  /** What this person has set for a room changed, here or on another device. */
  set({ room_id: id, settings }) {
    const room = this.byId(id);
    if (!room) return;
    room.own = { ...room.own, ...settings };
    this.#draw();
  }

  redraw() {
    this.#draw();
  }

  #draw() {
    this.#rooms.sort((a, b) => favourite(b) - favourite(a) || lastActive(b) - lastActive(a));
    const list = $("my-rooms");
    const focused = list.contains(document.activeElement) ? document.activeElement.parentElement.dataset.room : null;
    list.replaceChildren(...this.#rooms.map((room) => this.#row(room)));
    this.mark(this.#current);
    if (focused) list.querySelector(`[data-room="${focused}"] button`)?.focus();
  }

  refreshSoon = debounce(400, () => this.refresh());

  /** Shows which room is open. */
  mark(id) {
    this.#current = id;
    for (const row of $("my-rooms").children) {
      const button = row.firstElementChild;
      if (row.dataset.room === id) {
        button.setAttribute("aria-current", "true");
        for (const counter of row.querySelectorAll(".unread")) counter.remove();
      } else button.removeAttribute("aria-current");
    }
  }

  #row(room) {
    const unread = room.unread ?? 0;
    const calls = room.mentions ?? 0;
    const button = h("button", { type: "button", class: "room-row" }, badge(room),
      h("span", { class: "names" }, h("b", {}, room.own?.favourite ? `★ ${room.title}` : room.title, room.own?.muted ? h("span", { class: "hidden" }, ", muted") : null), this.#line(room)),
      calls ? h("span", { class: "unread calls" }, `@${calls > 99 ? "99+" : calls}`, h("span", { class: "hidden" }, " mentions")) : null,
      unread ? h("span", { class: "unread" }, unread > 99 ? "99+" : String(unread), h("span", { class: "hidden" }, " unread")) : null);
    button.addEventListener("click", () => this.#open(room));
    return h("li", { dataset: { room: room.id } }, button);
  }

  /** What one has begun to write, else the last message. */
  #line(room) {
    const draft = room.id === this.#current ? "" : room.own?.draft;
    if (!draft) return h("span", {}, this.#last(room));
    return h("span", {}, h("span", { class: "draft-mark" }, "Draft: "), draft);
  }

  /** The last message in a line, or what the room is. */
  #last(room) {
    const { last_message: last } = room;
    if (!last) return about(room);
    const by = last.sender_id === this.#me.id ? "You" : nameOf(last.sender_id).split(" ")[0];
    const text = last.deleted_at ? "deleted a message" : last.body;
    if (last.system) return text;
    return room.kind === "direct" && by !== "You" ? text : `${by}: ${text}`;
  }

  #joinRow(room) {
    const join = h("button", { type: "button", "aria-label": `Join ${room.title}` }, "Join");
    join.addEventListener("click", async () => {
      join.disabled = true;
      try {
        await post(`/api/v1/chat/rooms/${room.id}/join`);
        await this.refresh();
        this.#open(this.byId(room.id) ?? room);
      } catch (error) {
        setNote($("rooms-note"), explain(error));
        join.disabled = false;
      }
    });
    return h("li", { class: "room-row", dataset: { room: room.id } }, badge(room),
      h("span", { class: "names" }, h("b", {}, room.title), h("span", {}, about(room))), join);
  }
}

function badge(room) {
  if (room.kind === "direct" && room.peerId) return avatar(room.peerId);
  return h("span", { class: "avatar room-badge", "aria-hidden": "true" }, room.kind === "public" ? "#" : "∴");
}

function about(room) {
  if (room.kind === "direct") return "Direct";
  return [room.kind === "public" ? "Public" : "Group", room.member_count ? count(room.member_count, "member") : null].filter(Boolean).join(" · ");
}

/** Makes a room; answers it as it is listed. */
export async function createRoom(me, kind, name, memberIds) {
  const body = { kind, member_ids: memberIds };
  if (name) body.name = name;
  const room = await post("/api/v1/chat/rooms", body, { "idempotency-key": uuid() });
  return titled(room, me);
}

/** Wires the dialog; `made(room)` is called with the new room. */
export function newRoomDialog(me, made) {
  const dialog = $("new-dialog");
  const form = $("new-form");
  const kind = () => form.elements.kind.value;
  const picker = new PeoplePicker($("new-picker"), { exclude: () => [me.id], single: () => kind() === "direct" });
  const draw = () => {
    $("name-field").hidden = kind() === "direct";
    setNote($("new-error"), null);
  };

  $("new-room").addEventListener("click", () => {
    form.reset();
    picker.clear();
    draw();
    dialog.showModal();
    $("room-name").focus();
  });
  $("new-cancel").addEventListener("click", () => dialog.close());
  form.addEventListener("change", (event) => event.target.name === "kind" && draw());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const direct = kind() === "direct";
    const name = form.elements.name.value.trim();
    const wrong = direct ? picker.ids.length !== 1 && "Choose the one person you want to talk to." : !name && "Give the room a name.";
    if (wrong) {
      setNote($("new-error"), wrong);
      return direct ? picker.focus() : $("room-name").focus();
    }
    const button = form.querySelector("button[type=submit]");
    button.disabled = true;
    try {
      const room = await createRoom(me, kind(), direct ? undefined : name, picker.ids);
      dialog.close();
      made(room);
    } catch (error) {
      setNote($("new-error"), explain(error));
    } finally {
      button.disabled = false;
    }
  });
}

/** Wires the dialog that adds people to a room; answers the function that opens it. */
export function addPeopleDialog(me) {
  const dialog = $("add-dialog");
  const form = $("add-form");
  let room = null;
  let present = () => [];
  const picker = new PeoplePicker($("add-picker"), { exclude: () => [me.id, ...present()] });
  $("add-cancel").addEventListener("click", () => dialog.close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!picker.ids.length) return picker.focus();
    const button = form.querySelector("button[type=submit]");
    button.disabled = true;
    try {
      await post(`/api/v1/chat/rooms/${room.id}/members`, { user_ids: picker.ids });
      dialog.close();
    } catch (error) {
      setNote($("add-error"), explain(error));
    } finally {
      button.disabled = false;
    }
  });
  return (to, members) => {
    [room, present] = [to, members];
    picker.clear();
    setNote($("add-error"), null);
    dialog.showModal();
    picker.focus();
  };
}
