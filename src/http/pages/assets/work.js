// Work: which of its pages is shown, by the address: #gigs, #gig/<id>, #post, #contracts, #contract/<id>.

import { $, h, setNote } from "./dom.js";
import { Board } from "./gig-board.js";
import { ContractPage, Contracts } from "./contract-page.js";
import { GigPage } from "./gig-page.js";
import { PostPage } from "./gig-post.js";
import { explain } from "./session.js";

const PAGES = { gigs: Board, gig: GigPage, post: PostPage, contracts: Contracts, contract: ContractPage };
const TITLES = { gigs: "Gigs", gig: "Gig", post: "Post a gig", contracts: "Contracts", contract: "Contract" };

/** Whether an address is one of ours. */
export const isWork = (hash) => (hash.replace(/^#/, "").split("/")[0] || "gigs") in PAGES;

/**
 * Shows pages of work in `#work`. A page is made with `(context, id)`, draws into `page.element` with
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
    const [name, id] = location.hash.replace(/^#/, "").split("/");
    const known = name in PAGES ? name : "gigs";
    this.#page?.close?.();
    $("chat").dataset.view = "work";
    document.title = `${TITLES[known]} · Gigsy`;
    for (const link of document.querySelectorAll("[data-section]")) {
      const here = link.dataset.section === (known.startsWith("contract") ? "contracts" : "gigs");
      link.toggleAttribute("aria-current", here);
      if (here) link.setAttribute("aria-current", "page");
    }
    const page = new PAGES[known]({ client: this.#client, me: this.#me, openRoom: this.#openRoom }, id);
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
