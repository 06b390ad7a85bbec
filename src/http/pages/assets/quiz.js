// Taking a quiz: answers are kept as they are given, the time is the server's.

import { call, get } from "./api.js";
import { announce, debounce, h, setNote, setText } from "./dom.js";
import { nodes } from "./html.js";
import { questionItem } from "./quiz-question.js";
import { explain } from "./session.js";
import { action, badge, heading, to } from "./work-parts.js";
import { ATTEMPT } from "./words.js";

/** Minutes left at which those who listen are told. */
const TOLD = [5, 1];

const points = (hundredths) => (hundredths / 100).toLocaleString();

export class QuizPage {
  #id;
  #attempt;
  #answers = {};
  #ahead = 0; // the server's clock less ours, in milliseconds
  #timer;
  #left = h("p", { class: "quiz-time", role: "timer" });
  #kept = h("p", { class: "help", role: "status", id: "kept" });
  #saving = Promise.resolve();
  #handing = false; // what is typed now goes with the hand-in

  constructor(_context, id) {
    this.#id = id;
  }

  async open() {
    this.#take(await get(`/api/v1/attempts/${this.#id}`));
    this.#answers = { ...this.#attempt.answers };
    this.#draw();
  }

  close() {
    clearInterval(this.#timer);
  }

  #take(attempt) {
    this.#attempt = attempt;
    this.#ahead = new Date(attempt.now) - Date.now();
  }

  #draw() {
    const one = this.#attempt;
    clearInterval(this.#timer);
    const back = to(`learn/${one.enrolment_id}/${one.item_id}`, "← Back to the course");
    const head = h("div", { class: "section-head" }, heading(`Attempt ${one.number}`), badge(one.state, ATTEMPT));
    if (one.state !== "in_progress") return this.element.replaceChildren(h("p", {}, back), head, ...this.#result());
    const asked = one.paper.map((question) => questionItem(question, this.#answers[question.place], (place, answer) => this.#set(place, answer)));
    const hand = action("Hand in", async () => {
      this.#handing = true;
      try {
        await this.#saving.catch(() => {});
        this.#take(await call("POST", `/api/v1/attempts/${this.#id}/submit`, { answers: this.#answers }, { "if-match": `"v${this.#attempt.version}"` }));
      } finally {
        this.#handing = false;
      }
      this.#draw();
      this.element.querySelector("h1").focus();
    }, { main: true, step: "submit" });
    this.element.replaceChildren(h("p", {}, back), head, this.#left, h("ol", { class: "questions", id: "questions" }, ...asked), this.#kept, h("div", { class: "actions" }, hand));
    if (one.deadline_at) {
      this.#tick();
      this.#timer = setInterval(() => this.#tick(), 1_000);
    }
  }

  #tick() {
    const left = Math.ceil((new Date(this.#attempt.deadline_at) - Date.now() - this.#ahead) / 1_000);
    if (left <= 0) {
      clearInterval(this.#timer);
      setText(this.#left, "The time is over.");
      // The server hands in what it has; a moment later the result is there.
      setTimeout(() => this.open().catch((error) => setNote(this.note, explain(error))), 15_000);
      return;
    }
    setText(this.#left, `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")} left`);
    if (TOLD.some((minutes) => left === minutes * 60)) announce(`${left / 60} minutes left.`);
  }

  #changed = debounce(400, () => {
    // One at a time: each needs the version that the one before made.
    this.#saving = this.#saving.catch(() => {}).then(() => this.#save());
  });

  async #save() {
    if (this.#handing || this.#attempt.state !== "in_progress") return;
    setText(this.#kept, "Keeping your answers…");
    try {
      this.#take(await call("PUT", `/api/v1/attempts/${this.#id}/answers`, { answers: this.#answers }, { "if-match": `"v${this.#attempt.version}"` }));
      setText(this.#kept, "Your answers are kept.");
    } catch (error) {
      setText(this.#kept, error.status === 412 ? "This attempt was changed in another tab. Reload this page to go on here." : explain(error));
    }
  }

  #set(place, answer) {
    if (answer === null) delete this.#answers[place];
    else this.#answers[place] = answer;
    this.#changed();
  }

  #result() {
    const one = this.#attempt;
    if (one.score === null || one.score === undefined) return [h("p", { class: "note", role: "status" }, "Your instructor looks at your answers.")];
    const rows = (one.marks ?? []).map((mark) => {
      const asked = one.paper[mark.place];
      return h("li", { dataset: { place: mark.place, score: mark.score } }, h("div", { class: "prose" }, nodes(asked.prompt_html)),
        h("p", {}, `${mark.score === null ? "–" : points(mark.score)} of ${points(mark.max)} points`),
        mark.solution ? h("p", { class: "solution" }, h("b", {}, "Right: "), solution(mark.solution.kind)) : null,
        mark.solution?.feedback ? h("p", { class: "note" }, mark.solution.feedback) : null);
    });
    return [h("p", { id: "score", role: "status" }, h("b", {}, `${points(one.score)} of ${points(one.max_score)} points`)), h("ol", { class: "questions", id: "marks" }, ...rows)];
  }
}

/** What was right, in words. */
function solution(kind) {
  switch (kind.type) {
    case "single": return kind.choices[kind.correct];
    case "multiple": return kind.correct.map((n) => kind.choices[n]).join(", ");
    case "ordering": return kind.items.join(" → ");
    case "matching": return kind.pairs.map((pair) => `${pair.left} – ${pair.right}`).join("; ");
    case "numeric": return kind.tolerance ? `${kind.value} ± ${kind.tolerance}` : String(kind.value);
    case "short": return kind.accepted.join(" or ");
    default: return "judged by a person";
  }
}
