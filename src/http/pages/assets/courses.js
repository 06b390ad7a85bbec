// Courses: the catalogue, a course before one takes it, and one's certificates.

import { all, get, post, withQuery } from "./api.js";
import { count, debounce, h, setText, uuid } from "./dom.js";
import { money } from "./money.js";
import { lookUp } from "./people.js";
import { explain } from "./session.js";
import { action, badge, day, heading, to } from "./work-parts.js";
import { ENROLMENT, ITEM } from "./words.js";

const PAGE = 20;

function card(course) {
  const by = h("span", {});
  lookUp(course.owner_id).then((name) => setText(by, name));
  return h("li", { class: "gig-card", dataset: { course: course.id } },
    h("h2", {}, to(`course/${course.id}`, course.title)),
    h("p", { class: "gig-line" }, h("b", {}, course.price ? money(course.price) : "Free"), " · ", by),
    h("p", { class: "gig-text" }, course.summary));
}

export class Catalogue {
  #words = "";
  #cursor;
  #asked = 0;
  #list = h("ul", { class: "gig-list", id: "course-list", "aria-label": "Courses" });
  #own = h("section", { class: "stack tight", "aria-label": "Your courses", hidden: true });
  #state = h("p", { class: "help", role: "status" });
  #more = h("div", { class: "older", hidden: true });

  async open() {
    const q = h("input", { name: "q", type: "search", placeholder: "Search titles and texts", "aria-label": "Search courses", maxLength: 200 });
    const form = h("form", { class: "gig-filters", role: "search" }, q);
    form.addEventListener("submit", (event) => event.preventDefault());
    q.addEventListener("input", debounce(250, () => {
      this.#words = q.value.trim();
      this.refresh();
    }));
    this.#more.append(action("More courses", () => this.#load(true)));
    this.element.replaceChildren(
      h("div", { class: "section-head" }, heading("Courses"), to("certificates", "Your certificates", { class: "button" })),
      this.#own, form, this.#state, this.#list, this.#more);
    await Promise.all([this.#load(), this.#mine()]);
  }

  refresh() {
    this.#load().catch((error) => setText(this.#state, explain(error)));
  }

  async #mine() {
    const mine = (await all("/api/v1/enrolments", 100)).filter((one) => !["withdrawn", "lapsed"].includes(one.state));
    const rows = await Promise.all(mine.map(async (one) => {
      const course = await get(`/api/v1/courses/${one.course_id}`);
      return h("li", { class: "gig-card", dataset: { enrolment: one.id } }, h("h3", {}, to(`learn/${one.id}`, course.title)),
        h("p", { class: "gig-line" }, progress(one.percent, course.title), " ", badge(one.state, ENROLMENT)));
    }));
    this.#own.hidden = !rows.length;
    this.#own.replaceChildren(h("h2", {}, "Go on with"), h("ul", { class: "gig-list", id: "my-courses" }, ...rows));
  }

  async #load(on = false) {
    const asked = (this.#asked += 1);
    const page = await get(withQuery("/api/v1/courses", { q: this.#words, limit: PAGE, cursor: on ? this.#cursor : undefined }));
    if (asked !== this.#asked) return;
    this.#cursor = page.next_cursor;
    this.#more.hidden = !this.#cursor;
    const rows = page.items.map(card);
    if (on) this.#list.append(...rows);
    else this.#list.replaceChildren(...rows);
    setText(this.#state, this.#list.childElementCount ? "" : "No course like that.");
  }
}

/** How far somebody is. */
export const progress = (percent, of) =>
  h("span", { class: "progress" }, h("progress", { max: 100, value: percent, "aria-label": `Progress in ${of}` }), ` ${percent} %`);

export class CoursePage {
  #id;
  #context;

  constructor(context, id) {
    [this.#context, this.#id] = [context, id];
  }

  async open() {
    const course = await get(`/api/v1/courses/${this.#id}`);
    const cohorts = (await all(`/api/v1/courses/${this.#id}/cohorts`, 50)).filter((one) => !one.closes_at || new Date(one.closes_at) > new Date());
    const by = h("span", {});
    lookUp(course.owner_id).then((name) => setText(by, name));
    const modules = (course.outline ?? []).map((module) => h("li", {}, h("h3", {}, module.title),
      h("ul", {}, ...module.items.map((item) => h("li", {}, item.title, " ", h("span", { class: "help" }, ITEM[item.type] ?? item.type, item.required ? "" : ", optional"))))));
    this.element.replaceChildren(...[
      h("p", {}, to("courses", "← All courses")), heading(course.title),
      h("p", { class: "gig-line" }, h("b", {}, course.price ? money(course.price) : "Free"), " · ", by),
      h("p", { class: "prose" }, course.summary), this.#join(course, cohorts),
      h("h2", {}, "What is in it"), h("ol", { class: "outline", id: "outline" }, ...modules),
    ].filter(Boolean));
  }

  #join(course, cohorts) {
    const live = to(`live/${course.id}`, "Live quiz", { class: "button", id: "live-quiz" });
    if (course.enrolment_id) return h("p", { class: "steps" }, to(`learn/${course.enrolment_id}`, "Go on", { class: "button main", id: "go-on" }), live);
    if (course.owner_id === this.#context.me.id) return h("p", { class: "note" }, "This is your own course. ", live);
    const pick = cohorts.length ? h("select", { name: "cohort", "aria-label": "When" }, h("option", { value: "" }, "At my own pace"),
      ...cohorts.map((one) => h("option", { value: one.id, disabled: one.places !== undefined && one.taken >= one.places },
        `${one.title}, from ${day(one.starts_at)}${one.places === undefined ? "" : ` (${count(Math.max(0, one.places - one.taken), "place")} left)`}`))) : null;
    const key = uuid();
    const enrol = action(course.price ? `Enrol for ${money(course.price)}` : "Enrol", async () => {
      const made = await post(`/api/v1/courses/${course.id}/enrolments`, { cohort_id: pick?.value || null }, { "idempotency-key": key });
      location.hash = `learn/${made.id}`;
    }, { main: true, step: "enrol" });
    return h("p", { class: "steps" }, pick, enrol);
  }
}

export class Certificates {
  async open() {
    const items = await all("/api/v1/certificates", 200);
    const row = (one) => h("li", { class: "gig-card certificate", dataset: { certificate: one.id, state: one.state } },
      h("h2", {}, one.course_title), h("p", { class: "gig-line" }, h("bdi", {}, one.learner_name), ` · ${day(one.issued_at)}`),
      one.state === "revoked" ? h("p", { class: "error" }, "Revoked") : null,
      h("p", {}, h("a", { href: `/verify/${one.id}`, class: "button" }, "Show and verify")));
    this.element.replaceChildren(h("p", {}, to("courses", "← All courses")), heading("Your certificates"),
      items.length ? h("ul", { class: "gig-list", id: "certificates" }, ...items.map(row)) : h("p", { class: "note" }, "None yet. Complete a course, and its certificate is here."));
  }
}
