// One gig: what it is, applying to it, and for its client the applications.

import { all, ApiError, get, post } from "./api.js";
import { count, h, setText, uuid } from "./dom.js";
import { budget, money, parseAmount, places } from "./money.js";
import { PeoplePicker } from "./people-picker.js";
import { avatar, lookUp } from "./people.js";
import { explain, field, onSubmit } from "./session.js";
import { action, area, badge, chips, day, heading, listen, once, steps, to } from "./work-parts.js";
import { APPLICATION, GIG, STEPS } from "./words.js";

export class GigPage {
  #context;
  #id;
  #gig;
  #stop;
  #head = h("div", { class: "stack tight" });
  #below = h("section", { class: "stack tight" });
  #counter = h("p", { class: "help", id: "gig-counter" });
  #invite = h("div");
  #typing = false; // a form is being filled in: it is not drawn anew

  constructor(context, id) {
    [this.#context, this.#id] = [context, id];
  }

  async open() {
    this.element.replaceChildren(h("p", {}, to("gigs", "← All gigs")), this.#head, this.#counter, this.#invite, this.#below);
    await this.#load();
  }

  close() {
    this.#stop?.();
    this.#stop = null;
  }

  refresh = () => this.#load().catch((error) => setText(this.#counter, explain(error)));

  #load = once(async () => {
    const { me } = this.#context;
    this.#gig = await get(`/api/v1/gigs/${this.#id}`);
    await lookUp(this.#gig.owner_id);
    this.#drawHead();
    const mine = this.#gig.owner_id === me.id;
    const applications = await all(`/api/v1/gigs/${this.#id}/applications`, 200);
    await Promise.all(applications.map((one) => lookUp(one.student_id)));
    if (mine && this.#gig.state === "open") this.#drawInvite();
    else this.#invite.replaceChildren();
    if (mine) await this.#drawApplications(applications);
    else if (applications.length) this.#drawOwn(applications[0]);
    else this.#drawApply();
    // The live counters are for the gig's client and for those who applied.
    if (!this.#stop && (mine || applications.length)) this.#stop = listen(this.#context.client, `gig:${this.#id}`, (news) => this.#news(news), this.refresh);
  });

  #news(news) {
    if (news.type === "applications") this.#count(news);
    this.refresh();
  }

  heard(news) {
    if (news.type === "contract_changed") this.refresh();
  }

  #count(gig) {
    setText(this.#counter, `${count(gig.applications_count, "application")} · ${gig.accepted} of ${count(gig.slots, "place")} taken`);
  }

  #drawHead() {
    const gig = this.#gig;
    const by = h("span", {});
    lookUp(gig.owner_id).then((name) => setText(by, name));
    const buttons = steps(gig.allowed_transitions, STEPS.gig, async (step) => {
      await post(`/api/v1/gigs/${gig.id}/${step}`);
      await this.#load();
    });
    const had = this.#head.contains(document.activeElement);
    this.#head.replaceChildren(...[
      h("div", { class: "section-head" }, heading(gig.title), badge(gig.state, GIG)),
      h("p", { class: "gig-line" }, h("b", {}, budget(gig.budget)), " · ", by, gig.deadline ? ` · until ${day(gig.deadline)}` : ""),
      chips(gig.skills), h("p", { class: "prose" }, gig.description),
      gig.attachments.length ? h("ul", { class: "files", "aria-label": "Files" }, ...gig.attachments.map((file) =>
        h("li", {}, h("a", { href: file.url, rel: "noopener nofollow", target: "_blank" }, file.name)))) : null,
      buttons.length ? h("div", { class: "steps" }, ...buttons) : null,
    ].filter(Boolean));
    if (had) this.#head.querySelector("h1").focus();
    this.#count(gig);
  }

  #drawApply() {
    const gig = this.#gig;
    if (this.#typing) return;
    if (!this.#context.me.roles?.includes("student") || gig.state !== "open") {
      this.#below.replaceChildren(gig.state === "open" ? "" : h("p", { class: "note" }, "This gig takes no applications at the moment."));
      return;
    }
    const key = uuid();
    const proposal = area("Why you?", { name: "proposal", required: true, maxLength: 5_000, rows: 6 }, "What you did that is like it, and how you would go about it.");
    const answers = gig.questions.map((question, n) => area(question, { name: `answer-${n}`, required: true, maxLength: 2_000, rows: 2 }));
    const error = h("p", { class: "error", role: "alert", hidden: true });
    const form = h("form", { class: "stack card", id: "apply-form" }, h("h2", {}, "Apply"), proposal, ...answers, error,
      h("div", { class: "actions" }, h("button", { type: "submit", class: "main" }, "Apply")));
    form.addEventListener("input", () => (this.#typing = true));
    onSubmit(form, { proposal, ...Object.fromEntries(answers.map((box, n) => [`answers/${n}`, box])) }, error, async (values) => {
      const given = gig.questions.map((_, n) => values[`answer-${n}`]);
      await post(`/api/v1/gigs/${gig.id}/applications`, { proposal: values.proposal, answers: given }, { "idempotency-key": key });
      this.#typing = false;
      await this.#load();
    });
    this.#below.replaceChildren(form);
  }

  /** Asking somebody in particular; made once, so that nothing typed is lost. */
  #drawInvite() {
    if (this.#invite.childElementCount) return;
    const place = h("div", { class: "field" });
    const picker = new PeoplePicker(place, { exclude: () => [this.#context.me.id], single: () => true });
    const note = field("A word to them", { name: "note", maxLength: 1_000, autocomplete: "off" });
    const said = h("p", { class: "help", role: "status" });
    const send = action("Invite", async () => {
      const [student_id] = picker.ids;
      if (!student_id) return picker.focus();
      await post(`/api/v1/gigs/${this.#id}/invitations`, { student_id, note: note.input.value }, { "idempotency-key": uuid() });
      setText(said, `${await lookUp(student_id)} is invited.`);
      picker.clear();
      note.input.value = "";
    }, { step: "invite" });
    this.#invite.replaceChildren(h("details", { class: "invite" }, h("summary", {}, "Invite somebody to apply"), h("div", { class: "stack card" }, place, note, send, said)));
  }

  /** A student's own application. */
  #drawOwn(application) {
    const parts = [h("div", { class: "section-head" }, h("h2", {}, "Your application"), badge(application.state, APPLICATION)), h("p", { class: "prose" }, application.proposal)];
    if (application.offer) parts.push(h("h3", {}, "The offer"), offered(application.offer));
    if (application.contract_id) parts.push(h("p", {}, to(`contract/${application.contract_id}`, "Go to the contract", { class: "button main", id: "to-contract" })));
    const buttons = steps(application.allowed_transitions, STEPS.application, async (step) => {
      const now = await this.#move(application, step);
      if (now.contract_id) location.hash = `contract/${now.contract_id}`;
    });
    if (buttons.length) parts.push(h("div", { class: "steps" }, ...buttons));
    this.#below.replaceChildren(h("div", { class: "card stack application", dataset: { application: application.id } }, ...parts));
  }

  async #move(application, step, body) {
    const now = await post(`/api/v1/applications/${application.id}/${step}`, body);
    await this.#load();
    return now;
  }

  /** All applications, for the gig's client. */
  async #drawApplications(applications) {
    if (this.#typing) return;
    const rows = await Promise.all(applications.map((one) => this.#row(one)));
    const empty = this.#gig.state === "draft" ? "Post the gig, and students can apply." : "Nobody has applied yet. This page shows it as soon as somebody does.";
    this.#below.replaceChildren(h("h2", {}, "Applications"),
      applications.length ? h("ul", { class: "applications", id: "applications" }, ...rows) : h("p", { class: "note" }, empty));
  }

  async #row(application) {
    const name = await lookUp(application.student_id);
    const offer = h("div");
    const buttons = steps(application.allowed_transitions, STEPS.application, async (step) => {
      if (step === "offer") this.#drawOffer(offer, application);
      else await this.#move(application, step);
    });
    const rating = h("span", { class: "help" });
    get(`/api/v1/people/${application.student_id}/reviews?limit=1`)
      .then(({ rating: { average, count: n } }) => n && setText(rating, `★ ${average.toFixed(1)} of ${count(n, "review")}`), () => {});
    return h("li", { class: "card application", dataset: { application: application.id, state: application.state } },
      h("div", { class: "section-head" }, h("span", { class: "person" }, avatar(application.student_id), h("b", {}, name), rating), badge(application.state, APPLICATION)),
      h("p", { class: "prose" }, application.proposal),
      ...this.#gig.questions.map((question, n) => h("p", { class: "prose" }, h("span", { class: "help" }, question), h("br"), application.answers[n] ?? "")),
      application.offer ? offered(application.offer) : null,
      application.contract_id ? h("p", {}, to(`contract/${application.contract_id}`, "Go to the contract", { class: "button" })) : null,
      h("div", { class: "steps" }, ...buttons), offer);
  }

  /** The milestones that the contract would have. */
  #drawOffer(place, application) {
    const { currency, amount_minor, kind } = this.#gig.budget;
    this.#typing = true;
    const rows = h("div", { class: "stack" });
    const add = (title = "", minor = null) => {
      const name = field("Milestone", { name: "title", maxLength: 120, value: title, autocomplete: "off" });
      const text = minor === null ? "" : (minor / 10 ** places(currency)).toFixed(places(currency));
      const amount = field(`Amount (${currency})`, { name: "amount", inputMode: "decimal", value: text, autocomplete: "off" });
      rows.append(h("div", { class: "row offer-row" }, name, amount));
    };
    add(this.#gig.title, kind === "fixed" ? amount_minor : null);
    const error = h("p", { class: "error", role: "alert", hidden: true });
    const more = h("button", { type: "button", class: "link" }, "One milestone more");
    more.addEventListener("click", () => add());
    const cancel = h("button", { type: "button", class: "quiet" }, "Not now");
    cancel.addEventListener("click", () => {
      this.#typing = false;
      place.replaceChildren();
    });
    const form = h("form", { class: "stack offer-form" }, h("h3", {}, "What do you offer?"), rows, more, error,
      h("div", { class: "actions" }, cancel, h("button", { type: "submit", class: "main" }, "Send the offer")));
    onSubmit(form, {}, error, async () => {
      const milestones = [...rows.children].map((row) => ({
        title: row.querySelector("[name=title]").value.trim(),
        amount: { amount_minor: parseAmount(row.querySelector("[name=amount]").value, currency), currency },
      })).filter((one) => one.title || one.amount.amount_minor);
      if (milestones.some((one) => !one.title || !one.amount.amount_minor)) throw new ApiError(422, { detail: "each milestone needs a name and an amount, like 250 or 250.00" });
      this.#typing = false;
      await this.#move(application, "offer", { milestones });
    });
    place.replaceChildren(form);
    form.querySelector("input").focus();
  }
}

/** An offer's milestones. */
function offered({ milestones }) {
  return h("ul", { class: "offered", "aria-label": "Milestones" }, ...milestones.map((one) =>
    h("li", {}, h("span", {}, one.title), h("b", {}, money(one.amount)))));
}
