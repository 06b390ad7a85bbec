// Posting a gig: drafted first, then posted, as two calls; what was drafted is not drafted again.

import { call, get, post } from "./api.js";
import { h, uuid } from "./dom.js";
import { parseAmount } from "./money.js";
import { field, onSubmit } from "./session.js";
import { area, heading, to } from "./work-parts.js";

const CURRENCIES = ["EUR", "USD", "GBP", "CHF", "PLN", "SEK", "CZK"];

export class PostPage {
  #key = uuid();

  async open() {
    const { items } = await get("/api/v1/skills");
    const title = field("Title", { name: "title", maxLength: 120, autocomplete: "off" });
    const description = area("What is to be done?", { name: "description", required: true, maxLength: 10_000, rows: 7 }, "What there is already, what you want, by when, and how you will know that it is good.");
    const amount = field("Budget", { name: "amount", inputMode: "decimal", autocomplete: "off" });
    const currency = choice("Currency", "currency", CURRENCIES.map((code) => [code, code]));
    const kind = choice("Paid", "kind", [["fixed", "as a fixed sum"], ["hourly", "by the hour"]]);
    const slots = field("Students wanted", { name: "slots", type: "number", min: 1, max: 100, value: "1" });
    const question = field("A question to applicants", { name: "question", required: false, maxLength: 500, autocomplete: "off" }, "If you have one.");
    const deadline = field("Applications until", { name: "deadline", type: "date", required: false }, "If there is a day.");
    const byCategory = Map.groupBy ? Map.groupBy(items, (skill) => skill.category) : group(items);
    const skills = h("details", { class: "skill-picker" }, h("summary", {}, "Skills"),
      ...[...byCategory].map(([category, list]) => h("fieldset", { class: "skill-group" }, h("legend", {}, category),
        ...list.map((skill) => h("label", { class: "check" }, h("input", { type: "checkbox", name: "skill", value: skill.slug }), ` ${skill.name}`)))));
    const error = h("p", { class: "error", role: "alert", hidden: true });
    const form = h("form", { class: "stack card", id: "post-form" }, title, description,
      h("div", { class: "row" }, amount, currency, kind), skills, h("div", { class: "row" }, slots, deadline), question, error,
      h("div", { class: "actions" }, to("gigs", "Not now", { class: "button quiet" }), h("button", { type: "submit", class: "main" }, "Post it")));
    this.element.replaceChildren(heading("Post a gig"), h("p", { class: "help" }, "Money is asked for only when somebody is hired, milestone by milestone, and it is kept safe until you approve."), form);
    // What is wrong comes with the names that the API has.
    const fields = { title, description, "budget/amount_minor": amount, slots, deadline, "questions/0": question };
    onSubmit(form, fields, error, async (values) => {
      const minor = parseAmount(values.amount, values.currency);
      if (minor === null) {
        amount.wrong("Write an amount, like 250 or 250.00.");
        return amount.input.focus();
      }
      const body = {
        title: values.title, description: values.description, slots: Number(values.slots),
        skills: new FormData(form).getAll("skill"), questions: values.question.trim() ? [values.question] : [],
        budget: { kind: values.kind, amount_minor: minor, currency: values.currency },
        deadline: values.deadline ? new Date(`${values.deadline}T23:59:59`).toISOString() : undefined,
      };
      let gig;
      try {
        gig = await post("/api/v1/gigs", body, { "idempotency-key": this.#key });
      } catch (failure) {
        // A corrected form is another request.
        if (failure.status) this.#key = uuid();
        throw failure;
      }
      await call("POST", `/api/v1/gigs/${gig.id}/post`);
      location.hash = `gig/${gig.id}`;
    });
  }
}

function choice(label, name, options) {
  const id = `c-${name}`;
  return h("div", { class: "field" }, h("label", { for: id }, label),
    h("select", { id, name }, ...options.map(([value, text]) => h("option", { value }, text))));
}

function group(items) {
  const groups = new Map();
  for (const item of items) groups.set(item.category, [...(groups.get(item.category) ?? []), item]);
  return groups;
}
