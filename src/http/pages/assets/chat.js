// The page at `/`: signing in, the rooms, and beside them the room that is open or a page of work.

import { call, me as whoAmI, signOut } from "./api.js";
import { $, setNote, setText } from "./dom.js";
import { emojiPicker } from "./emoji.js";
import { Blocks, reportDialog, reviewQueue } from "./moderation.js";
import { bell } from "./notifications.js";
import { roomSettings, statusField } from "./own.js";
import { pushButton, unsubscribe } from "./push.js";
import { learn } from "./people.js";
import { connect } from "./realtime.js";
import { addPeopleDialog, createRoom, newRoomDialog, RoomList } from "./rooms.js";
import { RoomView } from "./room.js";
import { explain, signInPanel } from "./session.js";
import { isWork, Work } from "./work.js";

const LIST_MS = 30_000;
let client = null;

function welcome(note) {
  $("chat").hidden = true;
  $("who").hidden = true;
  for (const link of document.querySelectorAll(".signed-in")) link.hidden = true;
  $("ops-link").hidden = true;
  $("connection").hidden = true;
  $("welcome").hidden = false;
  document.title = "Gigsy";
  signInPanel($("sign-in"), () => start(), { note });
}

async function start() {
  let me;
  try {
    me = await whoAmI();
  } catch (error) {
    return welcome(explain(error));
  }
  if (!me) return welcome();
  learn(me.id, me.display_name);
  $("welcome").hidden = true;
  $("chat").hidden = false;
  $("who").hidden = false;
  for (const link of document.querySelectorAll(".signed-in")) link.hidden = false;
  setText($("who-name"), me.display_name);
  $("ops-link").hidden = !me.roles?.includes("operator");
  run(me);
}

function run(me) {
  let view = null;
  client = connect($("connection"), ({ code }) => {
    // Final: the session was revoked or expired. Anything else reconnects by itself.
    view?.close();
    client = null;
    whoAmI().then((still) => (still ? setNote($("rooms-note"), `The server closed this connection for good (${code}). Reload the page to try again.`)
      : location.reload()), () => {});
  });

  const list = new RoomList(me, (room) => open(room));
  const work = new Work(client, me, async (id) => {
    // A contract's room is opened by an event: a moment after the contract.
    if (!list.byId(id)) await list.refresh();
    const room = list.byId(id);
    if (room) open(room);
    else setNote($("rooms-note"), "The contract’s room is being opened. Try again in a moment.");
  });

  /** Shows what the address names. */
  function follow({ focus = true } = {}) {
    const { hash } = location;
    if (hash === "#rooms") return closeRoom();
    if (isWork(hash)) {
      view?.close();
      view = null;
      list.mark(null);
      return work.show({ focus });
    }
    const room = list.byId(hash.replace(/^#room\//, ""));
    if (room) open(room, { focus });
    else work.show({ focus });
  }
  window.addEventListener("hashchange", () => follow());

  const status = statusField(client);
  const blocks = new Blocks();
  const settings = roomSettings(() => view.room, () => list.redraw());
  const queue = reviewQueue();
  const actions = {
    message: direct, heard: (id, message) => list.heard(id, message), report: reportDialog(), pick: emojiPicker(),
    queue, blocks, quiet: () => status.quiet,
  };
  if (["moderator", "operator"].some((role) => me.roles?.includes(role))) {
    $("moderation-link").hidden = false;
    $("moderation-link").addEventListener("click", () => queue(null));
  }

  function open(room, { focus = true } = {}) {
    // Shown first: what is not shown has no height to fit to.
    work.hide();
    $("chat").dataset.view = "room";
    for (const link of document.querySelectorAll("[data-section]")) link.removeAttribute("aria-current");
    if (view?.room.id !== room.id) {
      view?.close();
      view = new RoomView(client, me, room, actions);
      view.open();
      settings(room.own);
    }
    document.title = `${room.title} · Gigsy`;
    history.replaceState(null, "", `#room/${room.id}`);
    list.mark(room.id);
    if (focus) $("draft").focus();
  }

  function closeRoom() {
    view?.close();
    view = null;
    list.mark(null);
    // Wide pages have room for the board beside the rooms.
    work.show({ focus: false });
    $("chat").dataset.view = "rooms";
    document.title = "Gigsy";
    history.replaceState(null, "", "/");
  }

  async function direct(user) {
    try {
      const room = await createRoom(me, "direct", undefined, [user]);
      await list.refresh();
      open(list.byId(room.id) ?? room);
    } catch (error) {
      setNote($("room-state"), explain(error));
    }
  }

  newRoomDialog(me, async (room) => {
    await list.refresh();
    open(list.byId(room.id) ?? room);
  });
  const addPeople = addPeopleDialog(me);
  $("add-people").addEventListener("click", () => view && addPeople(view.room, () => view.memberIds));
  $("leave").addEventListener("click", () => {
    if (!view) return;
    setNote($("leave-error"), null);
    setText($("leave-text"), view.room.kind === "public" ? `You can join “${view.room.title}” again at any time.` : `To come back to “${view.room.title}” you need an invitation.`);
    $("leave-dialog").showModal();
  });
  $("leave-go").addEventListener("click", async () => {
    try {
      await call("DELETE", `/api/v1/chat/rooms/${view.room.id}/members/${me.id}`);
      $("leave-dialog").close();
      closeRoom();
      await list.refresh();
    } catch (error) {
      setNote($("leave-error"), explain(error));
    }
  });
  $("back").addEventListener("click", () => {
    $("chat").dataset.view = "rooms";
    $("my-rooms").querySelector("[aria-current]")?.focus();
  });
  $("people-toggle").addEventListener("click", () => {
    const shown = $("people").classList.toggle("shown");
    $("people-toggle").setAttribute("aria-expanded", String(shown));
  });

  bell(client, me, () => status.quiet);
  pushButton();
  // What concerns this person alone arrives without a subscription of ours.
  client.on("publication", ({ data }) => {
    if (data?.type === "unread") list.counted(data);
    else if (data?.type === "room_settings") {
      list.set(data);
      if (view?.room.id === data.room_id) {
        view.settings(data.settings);
        settings(view.room.own);
      }
    } else if (data?.type === "block") {
      blocks.heard(data);
      view?.reload();
      list.refreshSoon();
    } else if (data?.type === "status") {
      // What another device says of itself: this one says what it says.
      return;
    } else if (["notification", "notifications_read"].includes(data?.type)) return;
    else if (data?.type !== "rank") list.refreshSoon();
  });
  // What is unread in rooms that are not open.
  setInterval(() => document.hidden || client?.state !== "connected" || list.refreshSoon(), LIST_MS);
  client.on("connected", () => list.refreshSoon());
  client.on("connected", () => blocks.load());
  document.addEventListener("visibilitychange", () => document.hidden || list.refreshSoon());
  // Other parts of the page share the connection.
  document.dispatchEvent(new CustomEvent("gigsy:connected", { detail: { client, me } }));
  client.connect();

  if (!location.hash.startsWith("#room/")) follow({ focus: false });
  list.refresh().then(() => location.hash.startsWith("#room/") && follow({ focus: false }));
}

$("sign-out").addEventListener("click", async () => {
  // Whoever uses this browser next is not told what is this person's.
  await unsubscribe().catch(() => {});
  try {
    await signOut();
  } catch (error) {
    if (error.status !== 401) return setNote($("rooms-note"), explain(error));
  }
  client?.disconnect();
  // A fresh page holds nothing of the person who left.
  location.replace("/");
});

start();
