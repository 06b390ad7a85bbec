// The table of actors. It keeps what it drew and changes only what differs, and it draws no more
// rows than a person can read: thousands of actors cost a sort a second, not thousands of rows.

import { h, setNote, setText } from "./dom.js";
import { duration, micros, number } from "./format.js";
import { drawSpark, SAMPLES, spark } from "./spark.js";

/** The most rows that are drawn. */
export const MOST_ROWS = 200;

const FULL = 0.5; // from this share of its capacity on, a mailbox is marked
const keyOf = (actor) => `${actor.kind}/${actor.id}`;
const panicAt = (panic) => (panic?.at ? new Date(panic.at) : null);

/** Columns: heading, how to sort, what to show. Numbers sort downwards at first. */
const COLUMNS = [
  { key: "actor", title: "Actor", sort: keyOf, text: true },
  { key: "depth", title: "Depth", help: "messages that wait", sort: (a) => a.depth, show: (a) => number(a.depth) },
  { key: "trend", title: "Last minute" },
  { key: "capacity", title: "Capacity", help: "messages that may wait", sort: (a) => a.capacity, show: (a) => number(a.capacity) },
  { key: "rate", title: "Per s", help: "handled a second", sort: (a) => a.rate ?? -1, show: (a) => (a.rate === undefined ? "–" : number(a.rate)) },
  { key: "handled", title: "Handled", sort: (a) => a.handled, show: (a) => number(a.handled) },
  { key: "rejected", title: "Rejected", help: "refused because the mailbox was full", sort: (a) => a.rejected, show: (a) => number(a.rejected) },
  { key: "dead", title: "Dead", help: "accepted and never handled, because the actor stopped", sort: (a) => a.dead, show: (a) => number(a.dead) },
  { key: "p50", title: "p50", help: "queueing delay, median", sort: (a) => a.delay_p50_us ?? -1, show: (a) => micros(a.delay_p50_us) },
  { key: "p99", title: "p99", help: "queueing delay, 99th percentile", sort: (a) => a.delay_p99_us ?? -1, show: (a) => micros(a.delay_p99_us) },
  { key: "restarts", title: "Restarts", sort: (a) => a.restarts, show: (a) => number(a.restarts) },
  { key: "age", title: "Age", sort: (a) => a.age_s ?? 0, show: (a) => duration(a.age_s) },
  { key: "panic", title: "Last panic", sort: (a) => panicAt(a.last_panic)?.getTime() ?? 0, left: true },
  { key: "action", title: "Actions", left: true, silent: true },
];

const isNumeric = (column) => !column.text && !column.left && column.show;

export class ActorsTable {
  #heads;
  #body;
  #restart;
  #actors = [];
  #history = new Map(); // key → {samples, handled, at}
  #rows = new Map(); // key → drawn row
  #sort = { key: "depth", down: true };
  #text = "";
  #kind = "";
  #opened = null; // the key of the row that shows its details

  /** `restart(actor)` is called by a row's button. */
  constructor(heads, body, restart) {
    this.#heads = heads;
    this.#body = body;
    this.#restart = restart;
    heads.replaceChildren(...COLUMNS.map((column) => this.#head(column)));
    this.#markSort();
  }

  /** One sample of every actor, taken at `at` (ms). */
  update(actors, at) {
    // What has not been seen for a minute is forgotten.
    const history = new Map([...this.#history].filter(([, seen]) => at - seen.at < SAMPLES * 1000));
    for (const actor of actors) {
      const before = this.#history.get(keyOf(actor));
      const samples = before?.samples ?? [];
      samples.push(actor.depth);
      if (samples.length > SAMPLES) samples.shift();
      if (before && at > before.at) actor.rate = Math.max(0, Math.round(((actor.handled - before.handled) * 1000) / (at - before.at)));
      history.set(keyOf(actor), { samples, handled: actor.handled, at });
    }
    this.#history = history;
    this.#actors = actors;
  }

  filter({ text, kind }) {
    this.#text = text.trim().toLowerCase();
    this.#kind = kind;
  }

  /** How many actors there are of each kind. */
  get kinds() {
    const kinds = new Map();
    for (const { kind } of this.#actors) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    return [...kinds].sort(([a], [b]) => a.localeCompare(b));
  }

  /** Draws; answers how many match and how many of those are shown. */
  draw() {
    const matching = this.#actors.filter((actor) => this.#matches(actor)).sort(this.#order());
    const shown = matching.slice(0, MOST_ROWS);
    const rows = new Map();
    let place = this.#body.firstElementChild;
    for (const actor of shown) {
      const key = keyOf(actor);
      const row = this.#rows.get(key) ?? this.#newRow();
      rows.set(key, row);
      this.#fill(row, actor);
      for (const element of [row.element, row.details]) {
        if (element === place) place = place.nextElementSibling;
        else this.#body.insertBefore(element, place);
      }
    }
    for (const [key, row] of this.#rows) {
      if (rows.has(key)) continue;
      row.element.remove();
      row.details.remove();
    }
    this.#rows = rows;
    return { matching: matching.length, shown: shown.length };
  }

  #matches(actor) {
    if (this.#kind && actor.kind !== this.#kind) return false;
    if (!this.#text) return true;
    return [actor.id, actor.kind, actor.status, actor.last_panic?.message].some((part) => String(part ?? "").toLowerCase().includes(this.#text));
  }

  #order() {
    const { sort } = COLUMNS.find(({ key }) => key === this.#sort.key);
    const sign = this.#sort.down ? -1 : 1;
    return (a, b) => {
      const [x, y] = [sort(a), sort(b)];
      if (x !== y) return x < y ? -sign : sign;
      return keyOf(a) < keyOf(b) ? -1 : 1; // equal ones keep their places
    };
  }

  #head(column) {
    const cell = h("th", { scope: "col", class: isNumeric(column) ? "num" : "", dataset: { column: column.key } });
    if (column.silent) cell.append(h("span", { class: "hidden" }, column.title));
    if (column.silent) return cell;
    if (!column.sort) {
      cell.append(column.title);
      return cell;
    }
    const button = h("button", { type: "button", title: column.help }, column.title);
    button.addEventListener("click", () => {
      const same = this.#sort.key === column.key;
      this.#sort = { key: column.key, down: same ? !this.#sort.down : !column.text };
      this.#markSort();
      this.draw();
    });
    cell.append(button);
    return cell;
  }

  #markSort() {
    for (const cell of this.#heads.children) {
      if (cell.dataset.column === this.#sort.key) cell.setAttribute("aria-sort", this.#sort.down ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    }
  }

  #newRow() {
    const row = { cells: {} };
    for (const column of COLUMNS) {
      const cell = h(column.key === "actor" ? "th" : "td", { class: isNumeric(column) ? "num" : "", dataset: { column: column.key } });
      row.cells[column.key] = cell;
    }
    const { actor, trend, panic, action } = row.cells;
    actor.scope = "row";
    row.kind = h("span", { class: "kind" });
    row.status = h("span", { class: "status" });
    row.id = h("button", { type: "button", class: "link mono", "aria-expanded": "false", title: "Show details" });
    row.id.addEventListener("click", () => {
      this.#opened = this.#opened === keyOf(row.actor) ? null : keyOf(row.actor);
      this.draw();
    });
    actor.append(h("div", {}, row.kind, row.status), row.id);
    trend.append((row.spark = spark()));
    panic.append((row.panicTime = h("time")), (row.panicText = h("span", { class: "panic" })));
    row.button = h("button", { type: "button" }, "Restart");
    row.button.addEventListener("click", () => this.#restart(row.actor));
    action.append(row.button);
    row.element = h("tr", {}, ...Object.values(row.cells));
    row.more = h("pre");
    row.details = h("tr", { class: "details", hidden: true }, h("td", { colSpan: COLUMNS.length }, row.more));
    return row;
  }

  #fill(row, actor) {
    row.actor = actor;
    const { element, cells } = row;
    element.dataset.kind = actor.kind;
    element.dataset.id = actor.id;
    for (const column of COLUMNS) if (column.show) setText(cells[column.key], column.show(actor));
    setText(row.kind, actor.kind);
    setNote(row.status, actor.status === "running" ? null : String(actor.status ?? "").replace("_", " "));
    setText(row.id, actor.id);
    cells.depth.classList.toggle("warn", actor.capacity > 0 && actor.depth >= actor.capacity * FULL);
    cells.rejected.classList.toggle("bad", actor.rejected > 0);
    cells.dead.classList.toggle("bad", actor.dead > 0);
    cells.restarts.classList.toggle("warn", actor.restarts > 0);
    drawSpark(row.spark, this.#history.get(keyOf(actor))?.samples ?? []);
    const at = panicAt(actor.last_panic);
    setText(row.panicTime, at ? at.toLocaleString() : "–");
    if (at) row.panicTime.dateTime = at.toISOString();
    setText(row.panicText, actor.last_panic?.message ?? "");
    row.panicText.title = actor.last_panic?.message ?? "";
    row.button.setAttribute("aria-label", `Restart ${actor.kind} ${actor.id}`);
    const open = this.#opened === keyOf(actor);
    row.id.setAttribute("aria-expanded", String(open));
    row.details.hidden = !open;
    if (open) setText(row.more, details(actor));
  }
}

/** What the columns leave out: the rest of the counters, the whole panic, the state's own observation. */
function details(actor) {
  const lines = [
    `enqueued ${number(actor.enqueued)} = handled ${number(actor.handled)} + dead ${number(actor.dead)} + waiting ${number(actor.depth)}`,
    `unanswered ${number(actor.unanswered)}   passivated ${number(actor.passivated)}`,
  ];
  if (actor.last_panic) lines.push(`last panic, ${panicAt(actor.last_panic)?.toISOString() ?? "time unknown"}: ${actor.last_panic.message}`);
  if (actor.state && typeof actor.state === "object") lines.push(`state ${JSON.stringify(actor.state, null, 2)}`);
  return lines.join("\n");
}
