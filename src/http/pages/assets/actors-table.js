// The table of actors. It keeps what it drew and changes only what differs, and it draws no more
// rows than a person can read: thousands of actors cost a sort a second, not thousands of rows.

import { h, setText } from "./dom.js";
import { duration, micros, number } from "./format.js";
import { drawSpark, SAMPLES, spark } from "./spark.js";

/** The most rows that are drawn. */
export const MOST_ROWS = 200;

const FULL = 0.5; // from this share of its capacity on, a mailbox is marked
const keyOf = (actor) => `${actor.kind}/${actor.id}`;
const panicAt = (panic) => (panic?.at ? new Date(panic.at) : null);

/** Columns: heading, how to sort, what to show. Numbers sort downwards at first. */
const COLUMNS = [
  { key: "kind", title: "Kind", sort: (a) => a.kind, text: true, show: (a) => a.kind },
  { key: "id", title: "Id", sort: (a) => a.id, text: true, mono: true, show: (a) => a.id },
  { key: "state", title: "State", sort: (a) => a.state ?? "", text: true, show: (a) => a.state ?? "" },
  { key: "depth", title: "Depth", sort: (a) => a.depth, show: (a) => number(a.depth) },
  { key: "trend", title: "Last minute", graph: true },
  { key: "capacity", title: "Capacity", sort: (a) => a.capacity, show: (a) => number(a.capacity) },
  { key: "rate", title: "Per s", help: "handled a second", sort: (a) => a.rate ?? -1, show: (a) => (a.rate === undefined ? "–" : number(a.rate)) },
  { key: "enqueued", title: "Enqueued", sort: (a) => a.enqueued, show: (a) => number(a.enqueued) },
  { key: "handled", title: "Handled", sort: (a) => a.handled, show: (a) => number(a.handled) },
  { key: "rejected", title: "Rejected", sort: (a) => a.rejected, show: (a) => number(a.rejected) },
  { key: "dead", title: "Dead", help: "answered with an error instead of being handled", sort: (a) => a.dead, show: (a) => number(a.dead) },
  { key: "p50", title: "p50", help: "queueing delay, median", sort: (a) => a.delay_p50_us ?? -1, show: (a) => micros(a.delay_p50_us) },
  { key: "p99", title: "p99", help: "queueing delay, 99th percentile", sort: (a) => a.delay_p99_us ?? -1, show: (a) => micros(a.delay_p99_us) },
  { key: "restarts", title: "Restarts", sort: (a) => a.restarts, show: (a) => number(a.restarts) },
  { key: "age", title: "Age", sort: (a) => a.age_s ?? 0, show: (a) => duration(a.age_s) },
  { key: "panic", title: "Last panic", sort: (a) => panicAt(a.last_panic)?.getTime() ?? 0, panic: true },
  { key: "action", title: "", action: true },
];

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
    const history = new Map();
    for (const actor of actors) {
      const before = this.#history.get(keyOf(actor));
      const samples = before?.samples ?? [];
      samples.push(actor.depth);
      if (samples.length > SAMPLES) samples.shift();
      if (before && at > before.at) actor.rate = Math.max(0, Math.round(((actor.handled - before.handled) * 1000) / (at - before.at)));
      history.set(keyOf(actor), { samples, handled: actor.handled, at });
    }
    this.#history = history; // what is gone is forgotten
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

  get total() {
    return this.#actors.length;
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
      if (row.element === place) place = place.nextElementSibling;
      else this.#body.insertBefore(row.element, place);
    }
    for (const [key, row] of this.#rows) if (!rows.has(key)) row.element.remove();
    this.#rows = rows;
    return { matching: matching.length, shown: shown.length };
  }

  #matches(actor) {
    if (this.#kind && actor.kind !== this.#kind) return false;
    if (!this.#text) return true;
    return [actor.id, actor.kind, actor.state, actor.last_panic?.message].some((part) => String(part ?? "").toLowerCase().includes(this.#text));
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
    const cell = h("th", { scope: "col", class: column.text || column.graph || column.panic || column.action ? "" : "num", dataset: { column: column.key } });
    if (column.action) cell.append(h("span", { class: "hidden" }, "Actions"));
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
    row.element = h("tr", {}, ...COLUMNS.map((column) => {
      const cell = h(column.key === "id" ? "th" : "td", { dataset: { column: column.key } });
      if (column.key === "id") cell.scope = "row";
      cell.className = column.mono ? "mono" : column.text || column.graph || column.panic || column.action ? "" : "num";
      if (column.graph) cell.append((row.spark = spark()));
      if (column.panic) cell.append((row.panicTime = h("time")), (row.panicText = h("span", { class: "panic" })));
      if (column.action) {
        const button = h("button", { type: "button" }, "Restart");
        button.addEventListener("click", () => this.#restart(row.actor));
        row.button = button;
        cell.append(button);
      }
      row.cells[column.key] = cell;
      return cell;
    }));
    return row;
  }

  #fill(row, actor) {
    row.actor = actor;
    const { element } = row;
    element.dataset.kind = actor.kind;
    element.dataset.id = actor.id;
    for (const column of COLUMNS) if (column.show) setText(row.cells[column.key], column.show(actor));
    row.cells.state.dataset.state = actor.state ?? "";
    row.cells.depth.classList.toggle("warn", actor.capacity > 0 && actor.depth >= actor.capacity * FULL);
    row.cells.rejected.classList.toggle("bad", actor.rejected > 0);
    row.cells.dead.classList.toggle("bad", actor.dead > 0);
    row.cells.restarts.classList.toggle("warn", actor.restarts > 0);
    drawSpark(row.spark, this.#history.get(keyOf(actor))?.samples ?? []);
    const at = panicAt(actor.last_panic);
    setText(row.panicTime, at ? at.toLocaleString() : "");
    if (at) row.panicTime.dateTime = at.toISOString();
    setText(row.panicText, actor.last_panic?.message ?? "");
    row.panicText.title = actor.last_panic?.message ?? "";
    row.button.setAttribute("aria-label", `Restart ${actor.kind} ${actor.id}`);
  }
}
