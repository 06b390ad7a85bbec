// A live quiz: one question for everybody at once, the scoreboard as it moves; its host opens and closes.

import { all, get, post } from "./api.js";
import { announce, h, setNote, setText } from "./dom.js";
import { lookUp } from "./people.js";
import { questionItem } from "./quiz-question.js";
import { explain } from "./session.js";
import { action, badge, heading, listen, once, to } from "./work-parts.js";
import { LIVE } from "./words.js";

/** Between two tries to have an answer kept, in milliseconds. */
const AGAIN = 1_000;

export class LiveQuizPage {
  #context;
  #course;
  #quiz = null;
  #over = false; // there was one, and it ended
  #ahead = 0; // the server's clock less ours, in milliseconds
  #timer;
  #stop;
  #said = null; // the number of the question that one has answered
  #places = new Map();
  #head = h("div", { class: "stack tight" });
  #left = h("p", { class: "quiz-time", role: "timer" });
  #ask = h("div", { class: "stack", id: "live-question" });
  #board = h("ol", { class: "live-board", id: "live-board", "aria-label": "Scoreboard" });
  #count = h("p", { class: "help", id: "live-count" });

  constructor(context, course) {
    [this.#context, this.#course] = [context, course];
  }

  async open() {
    this.element.replaceChildren(this.#head, this.#left, this.#ask, h("h2", {}, "Scoreboard"), this.#count, this.#board);
    await this.#load();
    this.#stop = listen(this.#context.client, `course:${this.#course}`, (news) => this.#news(news), () => this.refresh());
  }

  close() {
    this.#stop?.();
    clearInterval(this.#timer);
  }

  refresh = () => this.#load().catch((error) => setNote(this.note, explain(error)));

  #load = once(async () => {
    const asked = Date.now();
    try {
      this.#take(await get(this.#quiz ? `/api/v1/live/${this.#quiz.id}` : `/api/v1/courses/${this.#course}/live`), (Date.now() - asked) / 2);
    } catch (error) {
      if (error.status !== 404) throw error;
      this.#quiz = null;
    }
    await this.#draw();
  });

  #take(quiz, way = 0) {
    this.#quiz = quiz;
    if (quiz.now) this.#ahead = new Date(quiz.now) - Date.now() + way;
    if (quiz.own?.answered) this.#said = quiz.number;
    this.#places = new Map(quiz.items.map((place) => [place.rank, place]));
  }

  #news(news) {
    if (!news.type?.startsWith("live.")) return;
    if (this.#quiz && news.quiz_id !== this.#quiz.id) return;
    if (news.type !== "live.scoreboard") return void this.refresh();
    for (const place of news.items) this.#places.set(place.rank, place);
    if (this.#quiz) [this.#quiz.answered, this.#quiz.learners] = [news.answered, news.learners];
    this.#scores();
  }

  get #hosts() {
    return this.#quiz?.host_id === this.#context.me.id;
  }

  async #draw() {
    clearInterval(this.#timer);
    setText(this.#left, "");
    const quiz = this.#quiz;
    const back = h("p", {}, to(`course/${this.#course}`, "← The course"));
    if (!quiz) {
      this.#head.replaceChildren(back, heading("Live quiz"), h("p", { class: "note", role: "status" }, "No live quiz is running. It appears here by itself when one begins."));
      this.#ask.replaceChildren(...(await this.#begin()));
      this.#scores();
      return;
    }
    const state = badge(quiz.state, LIVE);
    const where = quiz.number ? `Question ${quiz.number} of ${quiz.of}` : `${quiz.of} questions`;
    this.#head.replaceChildren(back, h("div", { class: "section-head" }, heading(quiz.title), state), h("p", { class: "gig-line" }, where), ...(this.#hosts ? [this.#steps()] : []));
    this.#ask.replaceChildren(...this.#question());
    if (quiz.state === "open" && quiz.closes_at) {
      this.#tick();
      this.#timer = setInterval(() => this.#tick(), 250);
    }
    if (quiz.state === "ended" && !this.#over) announce("The live quiz is over.");
    this.#over = quiz.state === "ended";
    this.#scores();
  }

  #tick() {
    const left = Math.ceil((new Date(this.#quiz.closes_at) - Date.now() - this.#ahead) / 1_000);
    if (left > 0) return setText(this.#left, `${left} s left`);
    clearInterval(this.#timer);
    setText(this.#left, "The time is over.");
    this.#ask.querySelector("fieldset")?.setAttribute("disabled", "");
  }

  /** What the host may do now. */
  #steps() {
    const quiz = this.#quiz;
    const take = async (step) => {
      this.#take(await post(`/api/v1/live/${quiz.id}/${step}`));
      await this.#draw();
      this.#head.querySelector(`[data-step=${step === "next" ? "close" : "next"}]`)?.focus();
    };
    const button = (step, text, props) => action(text, () => take(step), { step, ...props });
    const more = quiz.number < quiz.of;
    return h("div", { class: "steps" }, ...[
      quiz.state === "open" ? button("close", "Close the question", { main: true }) : null,
      more && quiz.state !== "open" && quiz.state !== "ended" ? button("next", quiz.number ? "Next question" : "First question", { main: true }) : null,
      quiz.state !== "ended" ? button("end", "End the quiz", { danger: true }) : null,
    ].filter(Boolean));
  }

  #question() {
    const quiz = this.#quiz;
    if (quiz.state === "waiting") return [h("p", { class: "note", role: "status" }, this.#hosts ? "Everybody in the course can come in now." : "It begins in a moment.")];
    if (quiz.state === "ended") return [h("p", { class: "note", role: "status" }, quiz.own ? `You are number ${quiz.own.rank} with ${quiz.own.points} points.` : "The quiz is over.")];
    if (!quiz.question) return [h("p", { class: "note", role: "status" }, "The question is closed.")];
    const kept = h("p", { class: "help", role: "status", id: "live-kept" });
    let given = null;
    const item = questionItem(quiz.question, null, (_, answer) => (given = answer));
    const field = item.querySelector("fieldset");
    const list = h("ol", { class: "questions" }, item);
    if (this.#hosts) {
      field.disabled = true;
      return [list];
    }
    const done = (text) => {
      field.disabled = true;
      send.remove();
      setText(kept, text);
    };
    const send = action("Answer", async () => {
      if (given === null) return setText(kept, "Choose or write an answer first.");
      await this.#answer(quiz, given, kept);
      done("Your answer is kept.");
    }, { main: true, step: "answer" });
    if (this.#said !== quiz.number) return [list, send, kept];
    done("Your answer is kept.");
    return [list, kept];
  }

  /** Until it is certain that it is kept: the same answer again is harmless. */
  async #answer(quiz, answer, kept) {
    for (;;) {
      try {
        await post(`/api/v1/live/${quiz.id}/answers`, { number: quiz.number, answer });
        this.#said = quiz.number;
        return;
      } catch (error) {
        if (error.status !== 503) throw error;
        setText(kept, "Keeping your answer…");
        await new Promise((done) => setTimeout(done, AGAIN));
      }
    }
  }

  #scores() {
    const quiz = this.#quiz;
    setText(this.#count, quiz ? `${quiz.answered ?? 0} of ${quiz.learners ?? 0} have answered this question.` : "");
    const rows = [...this.#places.values()].sort((a, b) => a.rank - b.rank).map((place) => {
      const name = h("bdi", {});
      lookUp(place.user_id).then((known) => setText(name, known));
      return h("li", { dataset: { user: place.user_id, points: place.points }, class: place.user_id === this.#context.me.id ? "own" : "" }, name, h("b", {}, String(place.points)));
    });
    this.#board.replaceChildren(...rows);
  }

  /** An instructor begins one with a bank's questions. */
  async #begin() {
    const course = await get(`/api/v1/courses/${this.#course}`);
    if (course.owner_id !== this.#context.me.id) return [];
    const banks = await all("/api/v1/banks", 100);
    if (!banks.length) return [h("p", { class: "note" }, "Write a question bank first.")];
    const title = h("input", { id: "live-title", value: "Live quiz", maxLength: 120, required: true });
    const bank = h("select", { id: "live-bank" }, ...banks.map((one) => h("option", { value: one.id }, one.title)));
    const seconds = h("input", { id: "live-seconds", type: "number", min: 5, max: 600, value: 30 });
    const field = (label, input) => h("div", { class: "field" }, h("label", { for: input.id }, label), input);
    const begin = action("Begin", async () => {
      this.#take(await post(`/api/v1/courses/${this.#course}/live`, { title: title.value, bank_id: bank.value, seconds: Number(seconds.value) }));
      await this.#draw();
    }, { main: true, step: "begin-live" });
    return [field("Title", title), field("Questions of", bank), field("Seconds for each", seconds), begin];
  }
}
