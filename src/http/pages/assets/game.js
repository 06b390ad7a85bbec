// Leaderboards, live, and one's own points, streak and badges: a dialog over the page at `/`.
// The page tells us of its connection by the event `gigsy:connected`.

import { get } from "./api.js";
import { $, announce, h, setNote, setText } from "./dom.js";
import { learn, lookUp, nameOf } from "./people.js";
import { explain } from "./session.js";

const WINDOWS = { all: "All time", month: "This month", week: "This week", day: "Today" };
/** Rows shown, as many as the channel tells of. */
const SHOWN = 50;

/** A board's window, live: rows by place, as the channel tells them. */
class Top {
  constructor(client, channel, changed) {
    this.rows = [];
    this.total = 0;
    this.version = 0;
    this.client = client;
    this.changed = changed;
    this.sub = client.getSubscription(channel) ?? client.newSubscription(channel);
    this.sub.on("subscribed", ({ data }) => this.take(data, true));
    this.sub.on("publication", ({ data }) => this.take(data, false));
    this.sub.on("error", ({ error }) => this.changed(new Set(), error));
    this.sub.subscribe();
  }

  take(news, whole) {
    if (!news || (!whole && news.version <= this.version)) return;
    this.version = news.version;
    this.total = news.total;
    if (whole) this.rows = [];
    const fresh = new Set();
    for (const row of news.items) {
      this.rows[row.rank - 1] = row;
      if (!whole) fresh.add(row.rank);
    }
    this.rows.length = Math.min(this.rows.length, this.total);
    this.changed(fresh);
  }

  close() {
    this.sub.removeAllListeners();
    this.sub.unsubscribe();
    this.client.removeSubscription(this.sub);
  }
}

class Game {
  constructor({ client, me }) {
    this.client = client;
    this.me = me;
    this.top = null;
    this.build();
    client.on("publication", ({ data }) => data?.type === "rank" && this.ownRank(data));
  }

  build() {
    this.note = h("p", { class: "note", role: "status", hidden: true });
    this.boardPick = h("select", { id: "board-pick", "aria-label": "Leaderboard" });
    this.windowPick = h("select", { id: "window-pick", "aria-label": "Stretch of time" },
      ...Object.entries(WINDOWS).map(([value, text]) => h("option", { value }, text)));
    this.own = h("p", { id: "own-rank", "aria-live": "polite" });
    this.body = h("tbody", { id: "board-rows" });
    this.boardPane = h("section", { id: "board-pane", role: "tabpanel", class: "stack" },
      h("div", { class: "game-pick" }, this.boardPick, this.windowPick), this.own,
      h("table", { class: "board" }, h("thead", {}, h("tr", {}, h("th", { class: "num" }, "Place"), h("th", {}, "Who"),
        h("th", { class: "num" }, "Points"))), this.body));
    this.theirs = h("section", { id: "their-badges", class: "stack", hidden: true, "aria-live": "polite" });
    this.boardPane.append(this.theirs);
    this.profilePane = h("section", { id: "profile-pane", role: "tabpanel", class: "stack", hidden: true });
    this.tabs = ["Leaderboard", "My progress"].map((text, n) => {
      const tab = h("button", { type: "button", role: "tab", "aria-selected": String(n === 0) }, text);
      tab.addEventListener("click", () => this.show(n));
      return tab;
    });
    const close = h("button", { type: "button", class: "quiet", id: "game-close" }, "Close");
    this.dialog = h("dialog", { id: "game-dialog", class: "game", "aria-label": "Leaderboards and progress" },
      h("div", { class: "stack" },
        h("div", { class: "game-head" }, h("div", { class: "game-tabs", role: "tablist" }, ...this.tabs), close),
        this.note, this.boardPane, this.profilePane));
    document.body.append(this.dialog);
    close.addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("close", () => this.leave());
    this.boardPick.addEventListener("change", () => this.openBoard());
    this.windowPick.addEventListener("change", () => this.openBoard());
    const link = $("game-link");
    link.hidden = false;
    link.onclick = () => this.open();
  }

  async open() {
    this.dialog.showModal();
    this.show(0);
    try {
      const { items } = await get("/api/v1/leaderboards");
      const before = this.boardPick.value;
      this.boardPick.replaceChildren(...items.map(({ board, name }) => h("option", { value: board }, name)));
      if (items.some(({ board }) => board === before)) this.boardPick.value = before;
      this.openBoard();
    } catch (error) {
      setNote(this.note, explain(error));
    }
  }

  show(which) {
    this.tabs.forEach((tab, n) => tab.setAttribute("aria-selected", String(n === which)));
    this.boardPane.hidden = which !== 0;
    this.profilePane.hidden = which !== 1;
    if (which === 1) this.openProfile();
  }

  leave() {
    this.top?.close();
    this.top = null;
    this.theirs.hidden = true;
  }

  async openBoard() {
    this.leave();
    setNote(this.note, null);
    const [board, window] = [this.boardPick.value, this.windowPick.value];
    const channel = `leaderboard:${board}${window === "all" ? "" : `@${window}`}`;
    const top = new Top(this.client, channel, (fresh, error) => {
      if (error) return setNote(this.note, error.message);
      this.draw(top, fresh);
    });
    this.top = top;
    setText(this.own, "");
    try {
      // One's own place is always among those answered, if there is one.
      const found = await get(`/api/v1/leaderboards/${encodeURIComponent(board)}/among?ids=${this.me.id}&window=${window}`);
      if (this.top !== top) return;
      const [row] = found.items;
      if (row) this.tellOwn({ ...row, total: found.total });
      else setText(this.own, "You are not on this board yet.");
    } catch (error) {
      if (this.top === top) setText(this.own, explain(error));
    }
  }

  tellOwn({ rank, score, total }) {
    setText(this.own, `You are number ${rank} of ${total.toLocaleString()}, with ${score.toLocaleString()} points.`);
  }

  /** Of the all-time boards, what the server tells us about ourselves. */
  ownRank(news) {
    // Points moved, and with them perhaps the level, the streak, a badge.
    if (this.dialog.open && !this.profilePane.hidden) this.openProfile();
    if (!this.dialog.open || news.board !== this.boardPick.value || this.windowPick.value !== news.window) return;
    this.tellOwn(news);
    announce(`You are number ${news.rank} now.`);
  }

  draw(top, fresh) {
    const rows = top.rows.slice(0, SHOWN).filter(Boolean);
    this.body.replaceChildren(...rows.map((row) => {
      const name = row.user_id ? h("button", { type: "button", class: "link who" }, nameOf(row.user_id)) : h("span", {}, "Somebody");
      if (row.user_id) {
        lookUp(row.user_id).then((known) => setText(name, known));
        name.addEventListener("click", () => this.openPerson(row.user_id));
      }
      return h("tr", { class: [row.user_id === this.me.id && "me", fresh.has(row.rank) && "fresh"].filter(Boolean).join(" "), dataset: { rank: row.rank, user: row.user_id ?? "" } },
        h("td", { class: "num" }, String(row.rank)), h("td", {}, name), h("td", { class: "num" }, row.score.toLocaleString()));
    }));
    if (!rows.length) this.body.replaceChildren(h("tr", {}, h("td", { colSpan: 3 }, "Nobody yet. Be the first.")));
  }

  /** Somebody's badges, below the board. */
  async openPerson(id) {
    try {
      const [name, { items }] = await Promise.all([lookUp(id), get(`/api/v1/people/${id}/badges`)]);
      this.theirs.replaceChildren(h("h2", {}, `Badges of ${name}`), badgeList(items));
      this.theirs.hidden = false;
      this.theirs.scrollIntoView({ block: "nearest" });
    } catch (error) {
      setNote(this.note, explain(error));
    }
  }

  async openProfile() {
    try {
      const [game, streak, badges, league] = await Promise.all([
        get("/api/v1/me/game"), get("/api/v1/me/streak"), get(`/api/v1/people/${this.me.id}/badges`), get("/api/v1/me/league"),
      ]);
      learn(this.me.id, this.me.display_name);
      const span = game.next_level_from - game.level_from;
      const days = (n) => `${n} ${n === 1 ? "day" : "days"}`;
      this.profilePane.replaceChildren(
        h("div", { class: "level" },
          h("h2", { id: "my-level" }, `Level ${game.level}`),
          h("progress", { max: span, value: game.total - game.level_from, "aria-labelledby": "my-level" }),
          h("p", { id: "my-points" }, `${game.total.toLocaleString()} points; ${(game.next_level_from - game.total).toLocaleString()} more to level ${game.level + 1}.`)),
        h("div", { class: "streak", id: "my-streak" },
          h("span", {}, h("b", {}, days(streak.current)), "streak"),
          h("span", {}, h("b", {}, days(streak.longest)), "longest"),
          h("span", {}, h("b", {}, String(streak.freezes)), "freezes"),
          h("span", {}, h("b", {}, league.tier_name), "league")),
        h("h2", {}, "Badges"),
        h("div", { id: "my-badges" }, badgeList(badges.items)),
      );
    } catch (error) {
      setNote(this.note, explain(error));
    }
  }
}

/** Badges as links to their pages. */
function badgeList(items) {
  if (!items.length) return h("p", {}, "None yet.");
  return h("div", { class: "badges" }, ...items.map((badge) =>
    h("a", { href: badge.url, title: badge.description }, h("img", { src: badge.icon, alt: "", width: 48, height: 48 }),
      h("span", {}, badge.name), h("span", { class: `tier ${badge.tier}` }, badge.n > 1 ? `${badge.tier} × ${badge.n}` : badge.tier))));
}

let game = null;
document.addEventListener("gigsy:connected", ({ detail }) => {
  game?.leave();
  game?.dialog.remove();
  game = new Game(detail);
});
