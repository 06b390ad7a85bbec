// What one sets for oneself: the draft of each room, which is on all devices, what a room may ring for,
// and what this device says of itself.

import { call } from "./api.js";
import { $, debounce, setNote } from "./dom.js";
import { rpcReason } from "./realtime.js";
import { explain } from "./session.js";

const SAVE_MS = 700;

/** A room's draft: kept as it is typed, and taken over from other devices while nobody types here. */
export class Draft {
  #room;
  #area;
  #kept;
  #closed = false;
  #held = false;
  #changed;

  /** `changed()` is called when another device's draft was put into the field. */
  constructor(room, area, changed) {
    this.#room = room;
    this.#area = area;
    this.#changed = changed;
    this.#kept = room.own?.draft ?? "";
    area.value = this.#kept;
  }

  close() {
    if (!this.#held) this.#save(this.#area.value);
    this.#closed = true;
  }

  /** While a message is edited, what is in the field is no draft. */
  hold(on) {
    if (on && !this.#held) this.#save(this.#area.value);
    this.#held = on;
  }

  /** Another device changed it. */
  heard(draft) {
    const untouched = this.#area.value.trim() === this.#kept;
    this.#kept = draft;
    this.#room.own = { ...this.#room.own, draft };
    if (this.#held || !untouched || this.#area.value === draft) return;
    this.#area.value = draft;
    this.#changed();
  }

  typed = debounce(SAVE_MS, () => this.#closed || this.#held || this.#save(this.#area.value));

  sent() {
    this.#save("");
  }

  async #save(text) {
    const draft = text.trim().slice(0, 4000);
    if (draft === this.#kept) return;
    this.#kept = draft;
    this.#room.own = { ...this.#room.own, draft };
    try {
      await call("PATCH", `/api/v1/chat/rooms/${this.#room.id}/me`, { draft });
    } catch {
      // It is in the field still; the next change tries again.
      this.#kept = null;
    }
  }
}

/** Wires the settings of the open room; `room()` is the room, `changed()` is called after each change. */
export function roomSettings(room, changed) {
  const fields = { muted: $("own-muted"), favourite: $("own-favourite"), notify: $("own-notify") };
  const put = async (patch) => {
    try {
      room().own = await call("PATCH", `/api/v1/chat/rooms/${room().id}/me`, patch);
      setNote($("own-note"), null);
      changed();
    } catch (error) {
      setNote($("own-note"), explain(error));
    }
  };
  fields.muted.addEventListener("change", () => put({ muted: fields.muted.checked }));
  fields.favourite.addEventListener("change", () => put({ favourite: fields.favourite.checked }));
  fields.notify.addEventListener("change", () => put({ notify: fields.notify.value }));
  return (own) => {
    fields.muted.checked = Boolean(own?.muted);
    fields.favourite.checked = Boolean(own?.favourite);
    fields.notify.value = own?.notify ?? "all";
  };
}

/** Wires the status; answers what it is. */
export function statusField(client) {
  const field = $("status");
  field.addEventListener("change", async () => {
    try {
      await client.rpc("presence.set", { status: field.value });
    } catch (error) {
      setNote($("rooms-note"), `Not done: ${rpcReason(error)}`);
    }
  });
  // A server that was away for long has forgotten it.
  client.on("connected", () => field.value !== "online" && client.rpc("presence.set", { status: field.value }).catch(() => {}));
  field.hidden = false;
  return { get quiet() { return field.value === "dnd"; } };
}
