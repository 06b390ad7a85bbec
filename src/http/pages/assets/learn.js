// The course player: what one has done, what comes next, and the item that is being taken.

import { get, post } from "./api.js";
import { announce, h, setNote, setText, uuid } from "./dom.js";
import { progress } from "./courses.js";
import { nodes } from "./html.js";
import { money } from "./money.js";
import { explain } from "./session.js";
import { action, area, badge, heading, listen, once, steps, time, to } from "./work-parts.js";
import { fileField } from "./upload.js";
import { ATTEMPT, ENROLMENT, ITEM, STEPS, SUBMISSION } from "./words.js";

/** How often a video says how far it is, in milliseconds. */
const TELL = 10_000;
/** Between two looks for what comes a moment after completing. */
const SOON = 1_500;

export class Player {
  #context;
  #id;
  #item;
  #course;
  #enrolment;
  #stop;
  #timer;
  #waiting; // for the money
  #entered = false;
  #head = h("div", { class: "stack tight" });
  #list = h("nav", { class: "course-items", "aria-label": "Items of the course" });
  #body = h("article", { class: "stack course-item", tabIndex: -1 });

  constructor(context, id, item) {
    [this.#context, this.#id, this.#item] = [context, id, item];
  }

  async open() {
    this.element.replaceChildren(h("p", {}, to("courses", "← All courses")), this.#head, h("div", { class: "player" }, this.#list, this.#body));
    await this.#load();
  }

  close() {
    this.#stop?.();
    clearInterval(this.#timer);
    clearTimeout(this.#waiting);
  }

  /** One has a place: what is told in the course is heard, and the next item is shown. */
  async #enter() {
    this.#entered = true;
    this.#stop = listen(this.#context.client, `course:${this.#course.id}`, (news) => this.#news(news), () => this.refresh());
    const first = this.#enrolment.items.find((one) => one.unlocked && !one.done_at) ?? this.#enrolment.items[0];
    await this.#show(this.#item ?? first?.item_id, false);
  }

  refresh = () => this.#load().catch((error) => setNote(this.note, explain(error)));

  #news(news) {
    if (news.type === "announcement") setNote(this.note, `From the instructor: ${news.body}`);
    if (news.type === "published") this.refresh();
    if (news.type === "live.question" || news.type === "live.begun") this.#begun();
  }

  /** A live quiz runs: say so once. */
  #begun() {
    if (this.#head.querySelector("#live-now")) return;
    this.#head.append(h("p", { class: "note", role: "status", id: "live-now" }, "A live quiz is running. ", to(`live/${this.#course.id}`, "Take part", { class: "button main" })));
  }

  #load = once(async () => {
    this.#take(await get(`/api/v1/enrolments/${this.#id}`));
    this.#course ??= await get(`/api/v1/courses/${this.#enrolment.course_id}`);
    this.#draw();
    clearTimeout(this.#waiting);
    if (this.#enrolment.state === "pending") this.#waiting = setTimeout(this.refresh, SOON);
    else if (!this.#entered) await this.#enter();
  });

  #take(enrolment) {
    const before = this.#enrolment?.state;
    this.#enrolment = enrolment;
    if (before === "active" && enrolment.state === "completed") announce("You have completed this course.");
  }

  #draw() {
    const mine = this.#enrolment;
    const move = async (step) => {
      this.#take(await post(`/api/v1/enrolments/${this.#id}/${step}`));
      this.#draw();
    };
    const buttons = steps(mine.allowed_transitions, STEPS.enrolment, move);
    if (mine.newer && mine.state === "active") buttons.unshift(action("Take the new version", () => move("move"), { step: "move" }));
    this.#head.replaceChildren(...[
      h("div", { class: "section-head" }, heading(this.#course.title), badge(mine.state, ENROLMENT)),
      h("p", { id: "course-progress" }, progress(mine.percent, this.#course.title), mine.grade ? ` · grade ${(mine.grade / 100).toFixed(0)} %` : ""),
      mine.state === "pending" ? this.#unpaid(move) : null,
      mine.state === "completed" ? h("p", { class: "note", role: "status" }, "Completed. ", to("certificates", "Your certificate")) : null,
      mine.starts_at && new Date(mine.starts_at) > new Date() ? h("p", { class: "note" }, "Your group begins ", time(mine.starts_at), ".") : null,
      buttons.length ? h("div", { class: "steps" }, ...buttons) : null,
    ].filter(Boolean));
    // Whoever is on a link stays on it when the list is drawn anew.
    const held = this.#list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    this.#list.replaceChildren(h("ol", {}, ...mine.items.map((one) => {
      const here = one.item_id === this.#item;
      const state = one.done_at ? "done" : one.unlocked ? "open" : "locked";
      const words = [ITEM[one.type] ?? one.type, { done: "done", open: "", locked: "locked" }[state]].filter(Boolean).join(", ");
      const link = one.unlocked
        ? to(`learn/${this.#id}/${one.item_id}`, one.title, here ? { "aria-current": "true" } : {})
        : h("span", { class: "locked" }, one.title);
      return h("li", { dataset: { item: one.item_id, state } }, link, " ", h("span", { class: "help" }, words));
    })));
    if (held) this.#list.querySelector(`a[href="${held}"]`)?.focus();
  }

  #unpaid(move) {
    const { payment, price } = this.#enrolment;
    const said = payment?.state === "failed" ? "The payment was refused." : `Your place is kept until ${money(price)} is paid.`;
    return h("div", { class: "note", role: "status" }, said, " ", payment?.state === "failed" ? action("Pay again", () => move("pay"), { step: "pay" }) : null,
      action("Look again", () => this.refresh(), { step: "look" }));
  }

  async #show(id, focus = true) {
    clearInterval(this.#timer);
    this.#item = id;
    this.#draw();
    if (!id || !["active", "completed"].includes(this.#enrolment.state)) return this.#body.replaceChildren();
    let item;
    try {
      item = await get(`/api/v1/enrolments/${this.#id}/items/${id}`);
    } catch (error) {
      return this.#body.replaceChildren(h("p", { class: "note" }, explain(error)));
    }
    const parts = { text: () => this.#text(item), video: () => this.#video(item), file: () => this.#file(item), live: () => this.#live(item), quiz: () => this.#quiz(item), assignment: () => this.#assignment(item) };
    this.#body.replaceChildren(h("h2", { tabIndex: -1 }, item.title), ...parts[item.type]().filter(Boolean));
    if (focus) this.#body.querySelector("h2").focus();
  }

  /** Says how far one is. */
  async #tell(item, said) {
    this.#take(await post(`/api/v1/enrolments/${this.#id}/items/${item.id}/progress`, said));
    this.#draw();
  }

  #next(item, said = { viewed: true }) {
    const at = this.#enrolment.items.findIndex((one) => one.item_id === item.id);
    return h("div", { class: "actions" }, action("Done, go on", async () => {
      await this.#tell(item, said);
      const next = this.#enrolment.items.slice(at + 1).find((one) => one.unlocked);
      if (next) location.hash = `learn/${this.#id}/${next.item_id}`;
      else this.refresh();
    }, { main: true, step: "next" }));
  }

  #text(item) {
    return [h("div", { class: "prose markdown" }, nodes(item.html)), this.#next(item)];
  }

  #file(item) {
    return [h("p", {}, h("a", { class: "button", href: item.file.url, download: "" }, "Download")), this.#next(item)];
  }

  #live(item) {
    return [h("p", {}, "Begins ", time(item.starts_at), "."), h("p", {}, h("a", { class: "button", href: item.url, rel: "noopener noreferrer", target: "_blank" }, "Go there")), this.#next(item)];
  }

  #video(item) {
    const video = h("video", { src: item.file.url, controls: true, preload: "metadata", playsInline: true });
    if (item.captions) video.append(h("track", { kind: "captions", src: item.captions.url, label: "Captions", default: true }));
    const seen = new Set();
    video.addEventListener("loadedmetadata", () => (video.currentTime = Math.min(item.progress.position_seconds, Math.max(0, video.duration - 1))));
    // Seconds that were really shown: jumping to the end is not watching.
    video.addEventListener("timeupdate", () => !video.seeking && seen.add(Math.floor(video.currentTime)));
    const tell = () => {
      if (!Number.isFinite(video.duration) || !seen.size) return;
      const watched = Math.min(100, Math.round((seen.size / Math.max(1, Math.floor(video.duration))) * 100));
      this.#tell(item, { watched_percent: watched, position_seconds: Math.floor(video.currentTime) }).catch((error) => setNote(this.note, explain(error)));
    };
    for (const when of ["pause", "ended"]) video.addEventListener(when, tell);
    this.#timer = setInterval(() => !video.paused && tell(), TELL);
    return [video];
  }

  #quiz(item) {
    const key = uuid();
    const open = item.attempts.find((one) => one.state === "in_progress");
    const rows = item.attempts.map((one) => h("li", {}, to(`quiz/${one.id}`, `Attempt ${one.number}`), " ", badge(one.state, ATTEMPT),
      one.score === null || one.score === undefined ? "" : ` ${(one.score / 100).toLocaleString()} of ${(one.max_score / 100).toLocaleString()} points`));
    const begin = action(open ? "Go on with the attempt" : "Begin", async () => {
      const attempt = await post(`/api/v1/enrolments/${this.#id}/items/${item.id}/attempts`, {}, { "idempotency-key": key });
      location.hash = `quiz/${attempt.id}`;
    }, { main: true, step: "begin" });
    return [rows.length ? h("ul", { class: "attempts", id: "attempts" }, ...rows) : null,
      h("p", { class: "help" }, `${item.attempts_left} attempts left.`), open || item.attempts_left ? h("div", { class: "actions" }, begin) : null];
  }

  #assignment(item) {
    const handed = item.submissions.map((one) => h("li", { class: "card stack" }, h("p", {}, badge(one.state, SUBMISSION), " ", time(one.created_at),
      one.late_seconds ? " · late" : "", one.score === null ? "" : ` · ${(one.score / 100).toFixed(0)} %`), h("p", { class: "prose" }, one.body), one.note ? h("p", { class: "note" }, one.note) : null));
    const parts = [h("div", { class: "prose markdown" }, nodes(item.html)), item.progress.due_at ? h("p", {}, "Due ", time(item.progress.due_at), ".") : null,
      handed.length ? h("ul", { class: "applications", id: "submissions" }, ...handed) : null];
    if (item.submissions.some((one) => one.state !== "returned")) return parts;
    const key = uuid();
    const body = area("Your work", { name: "body", maxLength: 20_000, rows: 8 });
    const files = fileField("Files");
    const hand = action("Hand in", async () => {
      const form = { body: body.input.value, files: await files.files() };
      await post(`/api/v1/enrolments/${this.#id}/items/${item.id}/submissions`, form, { "idempotency-key": key });
      await this.#load();
      await this.#show(item.id);
    }, { main: true, step: "hand-in" });
    return [...parts, h("div", { class: "stack card", id: "hand-in" }, body, files, h("div", { class: "actions" }, hand))];
  }
}
