// Taking a quiz: answers are kept as they are given, the time is the server's.

import { call, get } from "./api.js";
import { announce, debounce, h, setNote, setText } from "./dom.js";
import { nodes } from "./html.js";
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
    const asked = one.paper.map((question) => this.#question(question));
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

  #question(question) {
    const { place } = question;
    const legend = h("legend", { class: "prose" }, nodes(question.prompt_html));
    const kinds = { single: this.#single, multiple: this.#multiple, ordering: this.#ordering, matching: this.#matching, numeric: this.#line, short: this.#line, essay: this.#essay };
    return h("li", { dataset: { place, kind: question.kind } }, h("fieldset", { class: "question" }, legend, h("p", { class: "help" }, `${question.points} ${question.points === 1 ? "point" : "points"}`),
      ...[kinds[question.kind].call(this, question, this.#answers[place])].flat()));
  }

  #choice(type, question, n, text, checked, changed) {
    const input = h("input", { type, name: `q${question.place}`, value: String(n), checked });
    input.addEventListener("change", changed);
    return h("label", { class: "choice" }, input, " ", h("span", {}, text));
  }

  #single(question, given) {
    return question.options.map((text, n) => this.#choice("radio", question, n, text, given === n || given?.choice === n, () => this.#set(question.place, { choice: n })));
  }

  #multiple(question, given) {
    const chosen = new Set(given?.choices ?? []);
    return question.options.map((text, n) => this.#choice("checkbox", question, n, text, chosen.has(n), (event) => {
      if (event.target.checked) chosen.add(n);
      else chosen.delete(n);
      this.#set(question.place, { choices: [...chosen].sort((a, b) => a - b) });
    }));
  }

  /** Moved by buttons: by pointer, keyboard and switch alike. */
  #ordering(question, given) {
    let order = given?.order ?? question.options.map((_, n) => n);
    const list = h("ol", { class: "ordering" });
    const draw = (focus) => {
      list.replaceChildren(...order.map((one, at) => {
        const button = (sign, name, by) => {
          const made = h("button", { type: "button", class: "quiet", "aria-label": `Move ${question.options[one]} ${name}`, disabled: at + by < 0 || at + by >= order.length, dataset: { move: `${one}${name}` } }, sign);
          made.addEventListener("click", () => {
            [order[at], order[at + by]] = [order[at + by], order[at]];
            this.#set(question.place, { order });
            draw(`${one}${name}`);
            announce(`${question.options[one]} is at place ${at + by + 1}.`);
          });
          return made;
        };
        return h("li", {}, h("span", {}, question.options[one]), button("↑", "up", -1), button("↓", "down", 1));
      }));
      const again = focus && list.querySelector(`[data-move="${focus}"]`);
      if (again) (again.disabled ? again.parentElement.querySelector("button:not(:disabled)") : again)?.focus();
    };
    order = [...order];
    draw();
    return list;
  }

  #matching(question, given) {
    const found = [...(given?.match ?? question.stems.map(() => null))];
    return question.stems.map((stem, n) => {
      const pick = h("select", { id: `q${question.place}-${n}` }, h("option", { value: "" }, "—"), ...question.options.map((text, o) => h("option", { value: String(o), selected: found[n] === o }, text)));
      pick.addEventListener("change", () => {
        found[n] = pick.value === "" ? null : Number(pick.value);
        this.#set(question.place, { match: found });
      });
      return h("div", { class: "row" }, h("label", { for: pick.id }, stem), pick);
    });
  }

  #line(question, given) {
    const number = question.kind === "numeric";
    const input = h("input", { type: "text", inputMode: number ? "decimal" : "text", "aria-label": "Your answer", autocomplete: "off", value: String(given?.number ?? given?.text ?? ""), maxLength: number ? 40 : 2_000 });
    input.addEventListener("input", () => {
      const text = input.value.trim();
      const value = number ? Number(text.replace(",", ".")) : text;
      const wrong = number && text !== "" && !Number.isFinite(value);
      input.toggleAttribute("aria-invalid", wrong);
      if (!wrong) this.#set(question.place, text === "" ? null : number ? { number: value } : { text });
    });
    return input;
  }

  #essay(question, given) {
    const input = h("textarea", { rows: 8, "aria-label": "Your answer", value: given?.text ?? "", maxLength: 20_000 });
    input.addEventListener("input", () => this.#set(question.place, input.value.trim() === "" ? null : { text: input.value }));
    return input;
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
