// The board: open gigs, the newest first, filtered; new ones appear as they are posted.

import { get, post, withQuery } from "./api.js";
import { announce, count, debounce, h, setNote, setText, uuid } from "./dom.js";
import { budget } from "./money.js";
import { lookUp } from "./people.js";
import { explain } from "./session.js";
import { action, badge, chips, day, heading, listen, to } from "./work-parts.js";
import { GIG } from "./words.js";

const PAGE = 20;

/** A gig in the list. */
export function card(gig) {
  const by = h("span", {});
  lookUp(gig.owner_id).then((name) => setText(by, name));
  const facts = [`${gig.accepted} of ${count(gig.slots, "place")} taken`, count(gig.applications_count, "application")];
  if (gig.deadline) facts.push(`until ${day(gig.deadline)}`);
  return h("li", { class: "gig-card", dataset: { gig: gig.id } },
    h("h2", {}, to(`gig/${gig.id}`, gig.title)),
    h("p", { class: "gig-line" }, h("b", {}, budget(gig.budget)), " · ", by, gig.state === "open" ? null : badge(gig.state, GIG)),
    h("p", { class: "gig-text" }, gig.description),
    chips(gig.skills),
    h("p", { class: "help gig-facts" }, facts.join(" · ")));
}

export class Board {
  #context;
  #filters = { q: "", skill: "", kind: "", mine: "" };
  #list;
  #more;
  #cursor;
  #stop;
  #state;
  #asked = 0;

  constructor(context) {
    this.#context = context;
  }

  async open() {
    const { me, client } = this.#context;
    const isClient = me.roles?.includes("client");
    this.#list = h("ul", { class: "gig-list", id: "gig-list", "aria-label": "Gigs" });
    this.#state = h("p", { class: "help", role: "status" });
    this.#more = h("div", { class: "older" }, action("More gigs", () => this.#load(true)));
    this.#more.hidden = true;
    this.element.replaceChildren(
      h("div", { class: "section-head" }, heading("Gigs"), isClient ? to("post", "Post a gig", { class: "button", id: "post-gig" }) : null),
      await this.#form(isClient), this.#state, this.#list, this.#more);
    this.#stop = listen(client, "gigs:feed", (news) => this.#news(news), () => this.refresh());
    await this.#load();
  }

  close() {
    this.#stop?.();
  }

  /** The connection came back: what was missed while it was away is on the list. */
  refresh() {
    this.#load().catch((error) => setText(this.#state, explain(error)));
  }

  async #form(isClient) {
    const { items } = await get("/api/v1/skills");
    const skill = h("select", { name: "skill", "aria-label": "Skill" }, h("option", { value: "" }, "Any skill"),
      ...items.map((one) => h("option", { value: one.slug }, one.name)));
    const kind = h("select", { name: "kind", "aria-label": "Payment" }, h("option", { value: "" }, "Any payment"),
      h("option", { value: "fixed" }, "A fixed sum"), h("option", { value: "hourly" }, "By the hour"));
    const q = h("input", { name: "q", type: "search", placeholder: "Search titles and texts", "aria-label": "Search gigs", maxLength: 200 });
    const mine = isClient ? h("label", { class: "check" }, h("input", { type: "checkbox", name: "mine", value: "true" }), " Mine") : null;
    const saved = h("span", { class: "help", role: "status" });
    const save = action("Save this search", async () => {
      const { q, skill, kind } = this.#filters;
      const name = [q, skill, kind].filter(Boolean).join(", ") || "All gigs";
      await post("/api/v1/saved-searches", { name, q: q || undefined, skills: skill ? [skill] : [], kind: kind || undefined }, { "idempotency-key": uuid() });
      setText(saved, `Saved: you hear of new gigs for “${name}”.`);
    });
    save.firstElementChild.id = "save-search";
    const form = h("form", { class: "gig-filters", role: "search" }, q, skill, kind, mine, save, saved);
    const changed = debounce(250, () => {
      const values = Object.fromEntries(new FormData(form));
      this.#filters = { q: (values.q ?? "").trim(), skill: values.skill ?? "", kind: values.kind ?? "", mine: values.mine ?? "" };
      this.refresh();
    });
    form.addEventListener("input", changed);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      changed();
    });
    return form;
  }

  async #load(more = false) {
    const asked = (this.#asked += 1);
    const page = await get(withQuery("/api/v1/gigs", { ...this.#filters, limit: PAGE, cursor: more ? this.#cursor : undefined }));
    if (asked !== this.#asked) return; // overtaken by another filter
    this.#cursor = page.next_cursor;
    const cards = page.items.map(card);
    if (more) this.#list.append(...cards);
    else this.#list.replaceChildren(...cards);
    this.#more.hidden = !this.#cursor;
    setText(this.#state, this.#list.childElementCount ? "" : "No gig is like that at the moment.");
  }

  #row = (id) => this.#list.querySelector(`[data-gig="${id}"]`);

  #news(news) {
    if (news.type === "gig_posted") {
      if (!this.#fits(news.gig) || this.#row(news.gig.id)) return;
      const row = card(news.gig);
      row.classList.add("new");
      this.#list.prepend(row);
      setText(this.#state, "");
      announce(`New gig: ${news.gig.title}`);
    } else if (news.type === "gig_changed") {
      const row = this.#row(news.gig_id);
      // What takes no applications any more leaves the list of those that do.
      if (row && news.state !== "open" && !this.#filters.mine) row.remove();
    }
  }

  /** Whether a new gig belongs in the list; words are the server's to judge. */
  #fits(gig) {
    const { q, skill, kind, mine } = this.#filters;
    if (q) {
      this.refresh();
      return false;
    }
    return (!skill || gig.skills.includes(skill)) && (!kind || gig.budget.kind === kind) && (!mine || gig.owner_id === this.#context.me.id);
  }

  /** What concerns this person alone. */
  heard(news) {
    if (news.type === "saved_search_matched") setNote(this.note, `“${news.title}” is new for your search “${news.name}”.`);
    if (news.type === "invited") setNote(this.note, `You are invited to apply to “${news.title}”.`);
  }
}
