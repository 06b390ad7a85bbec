// Contracts: one's list, and one with its milestones, what each side may do, and where its money is.

import { get, post, withQuery } from "./api.js";
import { announce, h, setText } from "./dom.js";
import { money } from "./money.js";
import { lookUp, nameOf } from "./people.js";
import { explain, onSubmit } from "./session.js";
import { action, area, badge, heading, once, steps, time, to } from "./work-parts.js";
import { CONTRACT, DONE, MILESTONE, STEPS } from "./words.js";

/** Steps that are taken with a word to the other side. */
const WITH_WORDS = {
  submit: ["note", "What do you deliver?", "Where it is, and what to look at.", "Deliver"],
  request_changes: ["note", "What should be different?", "", "Ask for changes"],
  dispute: ["reason", "What is it about?", "An operator reads both sides and decides.", "Open the dispute"],
};
const ACCOUNTS = {
  provider: "Payment provider", hold: "Held for the milestone", user: "Student’s balance", fees: "Platform fee", losses: "Platform’s loss",
};

const LEDGER = { fund: "Booked: paid in", release: "Booked: release", refund: "Booked: refund", reverse: "Booked: charge-back", loss: "Booked: loss" };

export class Contracts {
  #context;
  constructor(context) {
    this.#context = context;
  }

  async open() {
    const { me } = this.#context;
    const { items } = await get(withQuery("/api/v1/contracts", { limit: 50 }));
    await Promise.all(items.flatMap((one) => [lookUp(one.client_id), lookUp(one.student_id)]));
    const row = (one) => h("li", { class: "gig-card", dataset: { contract: one.id } },
      h("h2", {}, to(`contract/${one.id}`, one.title)),
      h("p", { class: "gig-line" }, h("b", {}, money(one.total)), ` · with ${nameOf(one.client_id === me.id ? one.student_id : one.client_id)} `, badge(one.state, CONTRACT)));
    this.element.replaceChildren(heading("Contracts"),
      items.length ? h("ul", { class: "gig-list" }, ...items.map(row)) : h("p", { class: "note" }, "You have no contract yet."));
  }

  refresh = () => this.open().catch(() => {});

  heard(news) {
    if (news.type === "contract_changed") this.refresh();
  }
}

export class ContractPage {
  #context;
  #id;
  #head = h("div", { class: "stack tight" });
  #milestones = h("ol", { class: "milestones", id: "milestones" });
  #foot = h("div");
  #totals = h("dl", { class: "totals", id: "totals" });
  #timeline = h("ol", { class: "money-timeline", id: "money-timeline" });
  #reviews = h("section", { class: "stack" });
  #state = h("p", { class: "help", role: "status" });
  #known = -1;
  #typing = null;

  constructor(context, id) {
    [this.#context, this.#id] = [context, id];
  }

  async open() {
    this.element.replaceChildren(h("p", {}, to("contracts", "← All contracts")), this.#head, this.#state,
      h("div", { class: "contract-body" },
        h("section", { "aria-labelledby": "milestones-title" }, h("h2", { id: "milestones-title" }, "Milestones"), this.#milestones, this.#foot, this.#reviews),
        h("section", { class: "card", "aria-labelledby": "money-title" }, h("h2", { id: "money-title" }, "Where the money is"), this.#totals, this.#timeline)));
    await this.#load();
  }

  refresh = () => this.#load().catch((error) => setText(this.#state, explain(error)));

  heard(news) {
    if (news.type === "contract_changed" && news.contract_id === this.#id) this.refresh();
  }

  #load = once(async () => {
    const path = `/api/v1/contracts/${this.#id}`;
    const [contract, ledger] = await Promise.all([get(path), get(`${path}/ledger`)]);
    await Promise.all([lookUp(contract.client_id), lookUp(contract.student_id)]);
    setText(this.#state, "");
    this.#drawHead(contract);
    if (!this.#typing) this.#drawMilestones(contract);
    this.#drawMoney(ledger, contract);
    await this.#drawReviews(contract);
  });

  #drawHead(contract) {
    const { me, openRoom } = this.#context;
    const other = contract.client_id === me.id ? contract.student_id : contract.client_id;
    const had = this.#head.contains(document.activeElement);
    this.#head.replaceChildren(
      h("div", { class: "section-head" }, heading(contract.title), badge(contract.state, CONTRACT)),
      h("p", { class: "gig-line" }, h("b", {}, money(contract.total)), ` · with ${nameOf(other)} · `, to(`gig/${contract.gig_id}`, "the gig"), " · ",
        action("Open the chat", () => openRoom(contract.room_id), { step: "chat" })));
    if (had) this.#head.querySelector("h1").focus();
    this.#foot.replaceChildren(...steps(contract.allowed_transitions, STEPS.contract, async (step) => {
      await post(`/api/v1/contracts/${contract.id}/${step}`);
      await this.#load();
    }));
  }

  #drawMilestones(contract) {
    this.#milestones.replaceChildren(...contract.milestones.map((one) => {
      const form = h("div");
      const buttons = steps(one.allowed_transitions.filter((step) => step !== "resolve"), STEPS.milestone, async (step) => {
        if (step in WITH_WORDS) return this.#ask(form, one, step);
        await post(`/api/v1/milestones/${one.id}/${step}`);
        await this.#load();
      });
      return h("li", { class: "card milestone", dataset: { milestone: one.id, state: one.state } },
        h("div", { class: "section-head" }, h("h3", {}, one.title), badge(one.state, MILESTONE)),
        h("p", { class: "gig-line" }, h("b", {}, money(one.amount)), hint(one.state)),
        one.note ? h("p", { class: "prose note" }, one.note) : null,
        buttons.length ? h("div", { class: "steps" }, ...buttons) : null, form);
    }));
  }

  #ask(place, milestone, step) {
    const [name, label, help, go] = WITH_WORDS[step];
    const text = area(label, { name, required: step === "dispute", maxLength: 2_000, rows: 3 }, help);
    const error = h("p", { class: "error", role: "alert", hidden: true });
    const cancel = h("button", { type: "button", class: "quiet" }, "Not now");
    const done = () => {
      this.#typing = null;
      place.replaceChildren();
    };
    cancel.addEventListener("click", done);
    const form = h("form", { class: "stack step-form" }, text, error, h("div", { class: "actions" }, cancel, h("button", { type: "submit", class: "main" }, go)));
    onSubmit(form, { [name]: text }, error, async (values) => {
      await post(`/api/v1/milestones/${milestone.id}/${step}`, { [name]: values[name] });
      done();
      await this.#load();
    });
    this.#typing = milestone.id;
    place.replaceChildren(form);
    text.input.focus();
  }

  #drawMoney({ totals, entries, timeline }, contract) {
    const rows = [["Paid in", totals.funded], ["Held", totals.held], ["Released to the student", totals.released], ["Platform fee", totals.fee], ["Given back", totals.refunded], ["Charged back", totals.reversed]];
    this.#totals.replaceChildren(...rows.filter(([, sum], n) => n < 2 || sum.amount_minor).flatMap(([name, sum]) => [h("dt", {}, name), h("dd", {}, money(sum))]));
    const titles = new Map(contract.milestones.map((one) => [one.id, one.title]));
    const story = timeline.filter((step) => step.transition !== "create" || step.machine !== "milestone").map((step) => ({
      at: step.at, key: `${step.machine}-${step.transition}`, tone: tone(step),
      text: DONE[step.machine]?.[step.transition] ?? step.transition,
      about: titles.get(step.entity_id) ?? "", by: step.actor === "timer" ? "by itself, in time" : step.actor_id ? nameOf(step.actor_id) : "",
    }));
    const moved = group(entries).map(({ at, kind, lines }) => ({ at, key: `ledger-${kind}`, tone: "ledger", text: LEDGER[kind] ?? kind, lines }));
    const all = [...story, ...moved].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
    if (this.#known >= 0 && all.length > this.#known) announce(`${all.at(-1).text} ${all.at(-1).about ?? ""}`);
    this.#timeline.replaceChildren(...all.map((one, n) => h("li", { class: this.#known >= 0 && n >= this.#known ? "new" : "", dataset: { what: one.key, tone: one.tone } },
      h("div", {}, h("b", {}, one.text), one.about ? ` · ${one.about}` : "", one.by ? h("span", { class: "help" }, ` ${one.by}`) : ""), time(one.at),
      one.lines ? h("ul", { class: "entries" }, ...one.lines.map((line) => h("li", {}, h("span", {}, ACCOUNTS[line.account] ?? line.account), h("span", { class: "amount" }, money(line.amount))))) : null)));
    this.#known = all.length;
  }

  async #drawReviews(contract) {
    if (!["completed", "ended"].includes(contract.state) || this.#reviews.contains(document.activeElement)) return;
    const { me } = this.#context;
    const { items } = await get(`/api/v1/contracts/${contract.id}/reviews`);
    const shown = items.map((one) => h("li", { class: "card" }, h("b", {}, `${"★".repeat(one.rating)}${"☆".repeat(5 - one.rating)}`), ` ${nameOf(one.author_id)}`,
      one.published_at ? null : h("span", { class: "help" }, " (the other side reads it once both have written)"), h("p", { class: "prose" }, one.body)));
    const parts = [h("h2", {}, "Reviews"), h("ul", { class: "stack" }, ...shown)];
    const closed = items.some((one) => one.published_at && one.author_id !== me.id);
    const side = [contract.client_id, contract.student_id].includes(me.id);
    if (side && !closed && !items.some((one) => one.author_id === me.id)) {
      const rating = h("select", { name: "rating", "aria-label": "Rating" }, ...[5, 4, 3, 2, 1].map((n) => h("option", { value: n }, `${n} of 5`)));
      const body = area("How was it?", { name: "body", maxLength: 2_000, rows: 3 }, "Nobody reads it until both have written, or 14 days have passed.");
      const error = h("p", { class: "error", role: "alert", hidden: true });
      const form = h("form", { class: "stack card", id: "review-form" }, rating, body, error, h("div", { class: "actions" }, h("button", { type: "submit", class: "main" }, "Review")));
      onSubmit(form, { body }, error, async (values) => {
        await post(`/api/v1/contracts/${contract.id}/reviews`, { rating: Number(values.rating), body: values.body });
        document.activeElement?.blur();
        await this.#load();
      });
      parts.push(form);
    }
    this.#reviews.replaceChildren(...parts);
  }
}

/** The lines of each transaction together. */
function group(entries) {
  const found = new Map();
  for (const { transaction_id, kind, account, amount, at } of entries) {
    if (!found.has(transaction_id)) found.set(transaction_id, { at, kind, lines: [] });
    found.get(transaction_id).lines.push({ account, amount });
  }
  return [...found.values()];
}

const tone = ({ to: state, machine }) => (machine === "milestone" && ["released", "funded"].includes(state) ? "good" : machine === "milestone" && ["charged_back", "disputed"].includes(state) ? "bad" : "plain");

const HINTS = {
  planned: "not paid for yet", funding: "waiting for the payment provider", funded: "the money is held until you both agree",
  submitted: "approved by itself after 14 days", releasing: "the transfer is on its way", refund_pending: "given back by itself after 7 days",
};
const hint = (state) => (HINTS[state] ? ` · ${HINTS[state]}` : "");
