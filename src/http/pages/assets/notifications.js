// The bell: what this person is told, live, and marked as read on all their devices at once.

import { get, post } from "./api.js";
import { $, announce, dayOf, exactTime, h, setNote, setText, timeOf } from "./dom.js";
import { explain } from "./session.js";

const SHOWN = 50;

/** Brings the bell to life on a connection; while `quiet()` nothing is read out. */
export function bell(client, me, quiet = () => false) {
  const button = $("bell");
  const panel = $("notifications");
  const list = $("notification-list");
  let items = new Map();
  let unread = 0;
  let loading = null;

  function show() {
    setText($("bell-count"), unread > 99 ? "99+" : unread || "");
    $("bell-count").hidden = !unread;
    button.setAttribute("aria-label", unread ? `Notifications, ${unread} unread` : "Notifications");
    if (panel.hidden) return;
    const focused = panel.contains(document.activeElement);
    const newest = [...items.values()].sort((a, b) => b.offset - a.offset).slice(0, SHOWN);
    list.replaceChildren(...newest.map(row));
    $("read-all").disabled = !unread;
    setNote($("notifications-note"), newest.length ? null : "Nothing yet.");
    if (focused && !panel.contains(document.activeElement)) panel.focus();
  }

  function row(item) {
    const at = new Date(item.updated_at);
    const open = h("a", { href: item.link, class: "notification-link" }, item.title);
    open.addEventListener("click", () => {
      if (!item.read_at) read({ ids: [item.id] });
      toggle(false);
    });
    const mark = item.read_at ? null : h("button", { type: "button", class: "quiet", "aria-label": `Mark as read: ${item.title}` }, "Mark as read");
    mark?.addEventListener("click", () => read({ ids: [item.id] }));
    return h("li", { class: item.read_at ? "notification" : "notification fresh", dataset: { id: item.id } },
      h("div", {}, open, item.body ? h("p", {}, item.body) : null,
        h("time", { dateTime: item.updated_at, title: exactTime(at) }, `${dayOf(at)}, ${timeOf(at)}`)),
      mark);
  }

  // The list as the server has it; what is published meanwhile is newer by its offset.
  function load() {
    loading ??= get(`/api/v1/notifications?limit=${SHOWN}`).then((page) => {
      const newer = [...items.values()].filter((item) => item.offset > page.offset);
      items = new Map(page.items.concat(newer).map((item) => [item.id, item]));
      if (!newer.length) unread = page.unread;
      show();
    }, (error) => setNote($("notifications-note"), explain(error))).finally(() => { loading = null; });
    return loading;
  }

  async function read(which) {
    try {
      unread = (await post("/api/v1/notifications/read", which)).unread;
      mark(which);
    } catch (error) {
      setNote($("notifications-note"), explain(error));
    }
  }

  function mark({ ids, up_to: upTo, all }) {
    const now = new Date().toISOString();
    for (const item of items.values()) {
      if (all || ids?.includes(item.id) || (upTo !== undefined && item.offset <= upTo)) item.read_at ??= now;
    }
    show();
  }

  function toggle(open) {
    panel.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    if (!open) return button.focus();
    show();
    panel.focus();
  }

  const own = `user:${me.id}`;
  client.on("publication", ({ channel, data }) => {
    if (channel !== own) return;
    if (data.type === "notification") {
      items.set(data.notification.id, data.notification);
      unread = data.unread;
      if (!quiet()) announce(data.notification.title);
      show();
    } else if (data.type === "notifications_read") {
      unread = data.unread;
      mark(data);
    }
  });
  // What was missed came by itself if it was recovered; otherwise the list is read anew.
  client.on("subscribed", ({ channel, wasRecovering, recovered }) => {
    if (channel === own && !(wasRecovering && recovered)) load();
  });

  button.hidden = false;
  button.addEventListener("click", () => toggle(panel.hidden));
  $("read-all").addEventListener("click", () => read({ up_to: Math.max(0, ...[...items.values()].map((item) => item.offset)) }));
  $("notifications-close").addEventListener("click", () => toggle(false));
  // Anywhere: what had the focus may just have gone with what it did.
  document.addEventListener("keydown", (event) => event.key === "Escape" && !panel.hidden && toggle(false));
  show();
}
