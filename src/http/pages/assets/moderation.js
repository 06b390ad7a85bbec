// Reporting a message, and the review queue: of a room for its admins, of all rooms for moderators.

import { all, call, get, post, withQuery } from "./api.js";
import { $, announce, dayOf, h, setNote, setText, timeOf, uuid } from "./dom.js";
import { lookUp, nameOf } from "./people.js";
import { explain } from "./session.js";

const REASONS = { spam: "Spam", abuse: "Insults or threats", scam: "A fraud", illegal: "Illegal contents", word: "A word rule of the room", other: "Something else" };

/** Wires the dialog; answers the function that opens it for a message. */
export function reportDialog() {
  const dialog = $("report-dialog");
  const form = $("report-form");
  let about = null;
  $("report-cancel").addEventListener("click", () => dialog.close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button[type=submit]");
    button.disabled = true;
    try {
      const body = { reason: form.elements.reason.value, detail: form.elements.detail.value.trim() };
      await post(`/api/v1/chat/rooms/${about.room}/messages/${about.id}/reports`, body, { "idempotency-key": uuid() });
      dialog.close();
      announce("Reported. The moderators look at it.");
    } catch (error) {
      setNote($("report-error"), explain(error));
    } finally {
      button.disabled = false;
    }
  });
  return (room, entry) => {
    about = { room: room.id, id: entry.id };
    form.reset();
    setText($("report-text"), `“${entry.body.slice(0, 200)}”`);
    setNote($("report-error"), null);
    dialog.showModal();
  };
}

/** Keeps somebody from writing for an hour. */
export const suspend = (room, user, minutes = 60) =>
  post(`/api/v1/chat/rooms/${room}/suspensions`, { user_id: user, minutes }, { "idempotency-key": uuid() });

/** Wires the queue; answers the function that opens it, for one room or for all. */
export function reviewQueue() {
  const dialog = $("queue");
  const list = $("queue-list");
  let path = null;
  let asked = 0;

  async function load() {
    const mine = (asked += 1);
    setNote($("queue-note"), "Loading…");
    try {
      const settled = $("queue-settled").checked;
      const { items } = await get(withQuery(path, { settled: settled || undefined, limit: 50 }));
      await Promise.all(items.flatMap((item) => [lookUp(item.sender_id), item.reporter_id && lookUp(item.reporter_id)]));
      if (mine !== asked) return;
      list.replaceChildren(...items.map(row));
      setNote($("queue-note"), items.length ? null : settled ? "Nothing was settled yet." : "Nothing waits for you.");
    } catch (error) {
      if (mine === asked) setNote($("queue-note"), explain(error));
    }
  }

  function row(item) {
    const at = new Date(item.created_at);
    const who = item.reporter_id ? nameOf(item.reporter_id) : "The room";
    const note = h("p", { class: "error", role: "alert", hidden: true });
    const act = (label, run, danger) => {
      const button = h("button", { type: "button", class: danger ? "danger" : "" }, label);
      button.addEventListener("click", async () => {
        button.disabled = true;
        setNote(note, null);
        try {
          await run(button);
        } catch (error) {
          setNote(note, explain(error));
          button.disabled = false;
        }
      });
      return button;
    };
    const settle = (resolution) => async () => {
      await post(`/api/v1/chat/reports/${item.id}/resolve`, { resolution }, { "idempotency-key": uuid() });
      announce(resolution === "removed" ? "Removed." : "Dismissed.");
      await load();
      $("queue-title").focus();
    };
    const actions = item.resolution
      ? h("p", { class: "state" }, `${item.resolution === "removed" ? "Removed" : "Dismissed"} by ${nameOf(item.resolved_by)}`)
      : h("p", { class: "actions" },
        act("Dismiss", settle("dismissed")),
        act("Suspend for an hour", async (button) => {
          await suspend(item.room_id, item.sender_id);
          setText(button, "Suspended");
          announce(`${nameOf(item.sender_id)} is suspended for an hour.`);
        }),
        act("Remove the message", settle("removed"), true));
    return h("li", { class: "report", dataset: { report: item.id, message: item.message_id } },
      h("p", { class: "by" }, h("b", {}, nameOf(item.sender_id)), h("time", { dateTime: item.created_at }, `${dayOf(at)}, ${timeOf(at)}`)),
      h("blockquote", {}, item.body || "(the text was erased)"),
      h("p", { class: "state" }, `${who}: ${REASONS[item.reason] ?? item.reason}${item.detail ? `, “${item.detail}”` : ""}`), actions, note);
  }

  $("queue-settled").addEventListener("change", load);
  $("queue-close").addEventListener("click", () => dialog.close());
  return (room) => {
    path = room ? `/api/v1/chat/rooms/${room.id}/reports` : "/api/v1/chat/reports";
    setText($("queue-title"), room ? `Reports in ${room.title}` : "Reports in all rooms");
    $("queue-settled").checked = false;
    list.replaceChildren();
    dialog.showModal();
    $("queue-title").focus();
    load();
  };
}

/** Whom this person has blocked: a set that follows what is told on `user:<id>`. */
export class Blocks {
  #ids = new Set();

  async load() {
    try {
      this.#ids = new Set((await all("/api/v1/chat/blocks")).map((person) => person.user_id));
    } catch {
      // The server hides their messages all the same.
    }
  }

  has(user) {
    return this.#ids.has(user);
  }

  heard({ user_id: user, blocked }) {
    if (blocked) this.#ids.add(user);
    else this.#ids.delete(user);
  }

  set(user, on) {
    return call(on ? "PUT" : "DELETE", `/api/v1/chat/blocks/${user}`);
  }
}
