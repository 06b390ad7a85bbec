// Work: which of its pages is shown, by the address: #gigs, #gig/<id>, #post, #contracts, #contract/<id>;
// of learning: #courses, #course/<id>, #learn/<enrolment>[/<item>], #quiz/<attempt>, #live/<course>, #certificates.

import { Catalogue, Certificates, CoursePage } from "./courses.js";
import { $, h, setNote } from "./dom.js";
import { Board } from "./gig-board.js";
import { ContractPage, Contracts } from "./contract-page.js";
import { GigPage } from "./gig-page.js";
import { PostPage } from "./gig-post.js";
import { Player } from "./learn.js";
import { LiveQuizPage } from "./live-quiz.js";
import { QuizPage } from "./quiz.js";
import { explain } from "./session.js";

const PAGES = {
  gigs: Board, gig: GigPage, post: PostPage, contracts: Contracts, contract: ContractPage,
  courses: Catalogue, course: CoursePage, learn: Player, quiz: QuizPage, live: LiveQuizPage, certificates: Certificates,
};
const TITLES = {
  gigs: "Gigs", gig: "Gig", post: "Post a gig", contracts: "Contracts", contract: "Contract",
  courses: "Courses", course: "Course", learn: "Course", quiz: "Quiz", live: "Live quiz", certificates: "Certificates",
};
/** Which of the bar's links a page belongs to. */
const SECTION = { contracts: "contracts", contract: "contracts", courses: "courses", course: "courses", learn: "courses", quiz: "courses", live: "courses", certificates: "courses" };

/** Whether an address is one of ours. */
export const isWork = (hash) => (hash.replace(/^#/, "").split("/")[0] || "gigs") in PAGES;

/**
 * Shows pages of work in `#work`. A page is made with `(context, id, part)`, draws into `page.element` with
 * `open()` and lets go of everything with `close()`.
 */
export class Work {
  #client;
  #me;
  #openRoom;
  #page = null;

  /** `openRoom(id)` shows a chat room. */
  constructor(client, me, openRoom) {
    [this.#client, this.#me, this.#openRoom] = [client, me, openRoom];
    client.on("publication", ({ data }) => this.#page?.heard?.(data));
    client.on("connected", () => this.#page?.refresh?.());
  }

  /** Shows what the address says. */
  show({ focus = true } = {}) {
    const [name, id, part] = location.hash.replace(/^#/, "").split("/");
    const known = name in PAGES ? name : "gigs";
    this.#page?.close?.();
    $("chat").dataset.view = "work";
    document.title = `${TITLES[known]} · Gigsy`;
    for (const link of document.querySelectorAll("[data-section]")) {
      const here = link.dataset.section === (SECTION[known] ?? "gigs");
      link.toggleAttribute("aria-current", here);
      if (here) link.setAttribute("aria-current", "page");
    }
    const page = new PAGES[known]({ client: this.#client, me: this.#me, openRoom: this.#openRoom }, id, part);
    this.#page = page;
    page.element = h("div", { class: `work-page ${known}-page` });
    page.note = h("p", { class: "note", role: "status", hidden: true });
    $("work").replaceChildren(page.note, page.element);
    $("work").scrollTop = 0;
    page.open().then(() => focus && page.element.querySelector("h1")?.focus(), (error) => setNote(page.note, explain(error)));
  }

  /** Something else is shown. */
  hide() {
    this.#page?.close?.();
    this.#page = null;
    $("work").replaceChildren();
  }
}
