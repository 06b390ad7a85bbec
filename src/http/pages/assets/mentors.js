// Mentors, bookings and one's portfolio: `/mentors`. What is shown follows the part behind the #.

import { all, call, get, me as whoAmI, post, signOut, withQuery } from "./api.js";
import { $, announce, h, setNote, setText, uuid } from "./dom.js";
import { connect } from "./realtime.js";
import { explain, signInPanel } from "./session.js";
import { send } from "./upload.js";

const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;
const dayName = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const when = (text) => `${dayName.format(new Date(text))}, ${clock.format(new Date(text))}`;
const money = ({ amount_minor, currency }) => new Intl.NumberFormat(undefined, { style: "currency", currency })
  .format(amount_minor / 10 ** new Intl.NumberFormat(undefined, { style: "currency", currency }).resolvedOptions().maximumFractionDigits);

const STATES = {
  held: "Held for you", funding: "Payment under way", requested: "Asked for", proposed: "Another time was proposed",
  confirmed: "Agreed", contested: "An operator decides", completed: "Took place", no_show: "Nobody came",
  missed: "The mentor did not come", declined: "Declined", expired: "Not answered in time", cancelled: "Cancelled",
};
const STEPS = {
  request: "Ask for it", pay: "Pay", confirm: "Confirm", accept: "Agree to the new time", decline: "Decline", complete: "It took place",
  no_show: "Nobody came", contest: "The mentor did not come", cancel: "Cancel",
};

let me;
let shown = 0;

function button(text, run, props = {}) {
  const made = h("button", { type: "button", ...props }, text);
  made.addEventListener("click", async () => {
    made.disabled = true;
    setNote($("said"), null);
    try {
      await run();
    } catch (error) {
      setNote($("said"), explain(error));
    } finally {
      made.disabled = false;
    }
  });
  return made;
}

const heading = (text) => h("h1", {}, text);
const skills = (list) => h("ul", { class: "skills" }, ...list.map((one) => h("li", {}, one)));
const price = (one) => (one.price ? money(one.price) : "Free");

async function mentorList() {
  const query = h("input", { type: "search", placeholder: "Search mentors", "aria-label": "Search mentors", maxLength: 200 });
  const list = h("ul", { class: "gig-list", id: "mentor-list" });
  const load = async () => {
    const { items } = await get(withQuery("/api/v1/mentors", { q: query.value.trim(), limit: 50 }));
    list.replaceChildren(...items.map((one) => h("li", { class: "gig-card", dataset: { mentor: one.id } },
      h("h2", {}, h("a", { href: `#mentor/${one.id}` }, one.display_name)),
      h("p", {}, one.headline),
      skills(one.skills),
      h("p", { class: "help" }, [price(one), `${one.minutes} minutes`, one.languages.join(", "),
        one.ratings ? `${one.rating.toFixed(1)} of 5 (${one.ratings})` : "not rated yet"].join(" · ")))));
    if (!items.length) list.replaceChildren(h("li", { class: "help" }, "Nobody is like that at the moment."));
  };
  let timer;
  query.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => load().catch((error) => setNote($("said"), explain(error))), 250);
  });
  await load();
  return [heading("Mentors"), query, list];
}

async function mentorPage(id) {
  const [one, slots] = await Promise.all([
    get(`/api/v1/mentors/${id}`), get(withQuery(`/api/v1/mentors/${id}/slots`, { zone: ZONE })),
  ]);
  const topic = h("textarea", { rows: 3, maxLength: 2000, id: "topic", placeholder: "What would you like to talk about?" });
  const book = async (slot) => {
    const made = await post("/api/v1/bookings", { mentor_id: id, start: slot.start, zone: ZONE, topic: topic.value, request: !one.price },
      { "idempotency-key": uuid() });
    location.hash = `booking/${made.id}`;
  };
  const days = Map.groupBy ? Map.groupBy(slots.items, (slot) => dayName.format(new Date(slot.start))) : grouped(slots.items);
  const times = [...days].map(([day, of]) => h("section", { class: "slots" }, h("h3", {}, day), h("div", { class: "row" },
    ...of.map((slot) => button(clock.format(new Date(slot.start)), () => book(slot), { class: "slot", dataset: { start: slot.start } })))));
  const waiting = button("Tell me when a time is freed", async () => {
    await post(`/api/v1/mentors/${id}/waitlist`, { from: new Date().toISOString(), to: new Date(Date.now() + 30 * 864e5).toISOString(), zone: ZONE },
      { "idempotency-key": uuid() });
    setNote($("said"), "You wait for the next thirty days: a time that is freed is held for you, and you hear of it here.");
  }, { class: "link" });
  return [heading(one.display_name), h("p", {}, one.headline), h("p", { class: "prose" }, one.bio), skills(one.skills),
    h("p", { class: "help" }, `${price(one)} · ${one.minutes} minutes · times are shown in ${ZONE}`),
    h("label", { for: "topic" }, "Your topic"), topic,
    ...(times.length ? times : [h("p", { class: "note" }, "No time is free in the next two weeks.")]), waiting];
}

function grouped(items) {
  const days = new Map();
  for (const slot of items) {
    const day = dayName.format(new Date(slot.start));
    days.set(day, [...(days.get(day) ?? []), slot]);
  }
  return days;
}

async function bookingList() {
  const items = await all("/api/v1/bookings", 200);
  const row = (one) => h("li", { class: "gig-card", dataset: { booking: one.id } },
    h("h2", {}, h("a", { href: `#booking/${one.id}` }, one.mentor_id === me.id ? one.seeker_name : one.mentor_name)),
    h("p", {}, when(one.start)), h("p", { class: "help" }, STATES[one.state] ?? one.state));
  const feed = button("Subscribe in my calendar", async () => {
    const { url } = await post("/api/v1/me/calendar");
    setNote($("said"), `Add this address to your calendar program and show it to nobody: ${url}`);
  }, { class: "link" });
  return [heading("Bookings"), feed, h("ul", { class: "gig-list", id: "booking-list" }, ...items.map(row)),
    items.length ? null : h("p", { class: "note" }, "You have booked nobody yet.")];
}

async function bookingPage(id) {
  const one = await get(`/api/v1/bookings/${id}`);
  const mine = one.seeker_id === me.id;
  const step = (name) => async () => {
    await post(`/api/v1/bookings/${id}/${name}`);
    await show();
  };
  const buttons = one.allowed_transitions.filter((name) => STEPS[name])
    .map((name, i) => button(STEPS[name], step(name), { class: i ? "" : "main", dataset: { step: name } }));
  const facts = [price(one), `${one.zone}: ${one.local_start.slice(11, 16)} for who booked`];
  if (one.expires_at && one.state !== "confirmed") facts.push(`until ${when(one.expires_at)}`);
  return [heading(mine ? `A session with ${one.mentor_name}` : `A session with ${one.seeker_name}`),
    h("p", { id: "booking-state", dataset: { state: one.state } }, h("b", {}, STATES[one.state] ?? one.state)),
    h("p", {}, `${when(one.start)} – ${clock.format(new Date(one.end))}`), h("p", { class: "help" }, facts.join(" · ")),
    one.topic ? h("p", { class: "prose" }, one.topic) : null,
    one.meeting_url ? h("p", {}, h("a", { href: one.meeting_url, rel: "noopener" }, "Where you meet")) : null,
    h("div", { class: "steps" }, ...buttons),
    one.mentorship_id ? h("p", {}, h("a", { href: `/#room/${one.mentorship_id}` }, "Your room"), " · ",
      h("a", { href: `/api/v1/bookings/${id}/calendar` }, "Calendar file")) : null];
}

const SEEN = { private: "Only me", connections: "My connections", public: "Everybody who sees the portfolio" };

/** A project to edit: its words, who sees it, its place, its pictures. */
function projectCard(one, n, projects) {
  const path = `/api/v1/me/projects/${one.id}`;
  const id = (name) => `${name}-${one.id}`;
  const title = h("input", { id: id("title"), value: one.title, maxLength: 120 });
  const summary = h("textarea", { id: id("summary"), rows: 3, maxLength: 5000, value: one.summary });
  const link = h("input", { id: id("url"), type: "url", value: one.url ?? "", maxLength: 500 });
  const seen = h("select", { id: id("seen") }, ...Object.entries(SEEN).map(([value, text]) =>
    h("option", { value, selected: value === one.visibility }, text)));
  const labelled = (text, input) => h("div", { class: "field" }, h("label", { for: input.id }, text), input);
  const moved = (by) => {
    const ids = projects.map((project) => project.id);
    ids.splice(n, 1);
    ids.splice(n + by, 0, one.id);
    return call("PUT", "/api/v1/me/projects", { ids }).then(show);
  };
  const picture = (artifact) => h("li", { dataset: { artifact: artifact.id } },
    artifact.thumbnail_url ? h("img", { class: "artifact", src: artifact.thumbnail_url, alt: artifact.alt }) : h("a", { href: artifact.url }, artifact.name),
    button("Remove", () => call("DELETE", `${path}/artifacts/${artifact.id}`).then(show), { class: "quiet" }));
  const file = h("input", { id: id("file"), type: "file", accept: "image/png,image/jpeg,image/webp,application/pdf" });
  const alt = h("input", { id: id("alt"), maxLength: 300 });
  const attach = button("Add the picture or PDF", async () => {
    if (!file.files.length) return;
    const sent = await send(file.files[0], () => {});
    await post(`${path}/artifacts`, { upload_id: sent.id, alt: alt.value }, { "idempotency-key": uuid() });
    await show();
  }, { dataset: { attach: one.id } });
  return h("li", { class: "gig-card stack", dataset: { project: one.id } },
    labelled("Title", title), labelled("What it is", summary), labelled("Where it is to be seen (https)", link), labelled("Who sees it", seen),
    h("div", { class: "row" },
      button("Save the project", async () => {
        const form = { title: title.value, summary: summary.value, url: link.value || null, skills: one.skills, visibility: seen.value };
        await call("PUT", path, form, { "if-match": `"v${one.version}"` });
        await show();
        setNote($("said"), "Saved.");
      }, { class: "main" }),
      n > 0 ? button("Up", () => moved(-1), { class: "quiet" }) : null,
      n < projects.length - 1 ? button("Down", () => moved(1), { class: "quiet" }) : null,
      button("Remove the project", () => call("DELETE", path).then(show), { class: "quiet" })),
    h("ul", { class: "artifacts" }, ...one.artifacts.map(picture)),
    labelled("A picture or a PDF", file), labelled("What is to be seen on it", alt), attach);
}

async function portfolioPage() {
  const own = await get("/api/v1/me/profile");
  const fields = {
    slug: h("input", { id: "p-slug", value: own.slug, maxLength: 60 }),
    headline: h("input", { id: "p-headline", value: own.headline, maxLength: 120 }),
    location: h("input", { id: "p-location", value: own.location, maxLength: 120 }),
    about: h("textarea", { id: "p-about", rows: 6, maxLength: 5000, value: own.about }),
    visibility: h("select", { id: "p-visibility" }, ...["private", "connections", "public"].map((one) =>
      h("option", { value: one, selected: one === own.visibility }, { private: "Only me", connections: "My connections", public: "Everybody" }[one]))),
  };
  const labels = { slug: "Address", headline: "Headline", location: "Place", about: "About you", visibility: "Who sees it" };
  const { projects, evidence, url, version, ...form } = own;
  const save = button("Save", async () => {
    const values = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.value]));
    await call("PUT", "/api/v1/me/profile", { ...form, ...values }, { "if-match": `"v${version}"` });
    await show();
    setNote($("said"), "Saved.");
  }, { class: "main", id: "p-save" });
  const proof = (one) => {
    const box = h("input", { type: "checkbox", checked: one.shown });
    box.addEventListener("change", () => call("PUT", `/api/v1/me/evidence/${one.id}`, { shown: box.checked })
      .catch((error) => setNote($("said"), explain(error))));
    return h("li", {}, h("label", { class: "check" }, box, ` ${one.title} (${one.detail})`));
  };
  const projectList = h("ul", { id: "own-projects" }, ...projects.map((one, n) => projectCard(one, n, projects)));
  const title = h("input", { id: "project-title", maxLength: 120 });
  const add = button("Add a project", async () => {
    await post("/api/v1/me/projects", { title: title.value }, { "idempotency-key": uuid() });
    await show();
  }, { id: "project-add" });
  return [heading("Your portfolio"), h("p", {}, h("a", { href: `/p/${own.slug}` }, url), " · ", h("a", { href: "/privacy" }, "Your data")),
    ...Object.entries(fields).map(([name, field]) => h("div", { class: "field" }, h("label", { for: field.id }, labels[name]), field)),
    save, h("h2", {}, "Projects"), projectList,
    h("div", { class: "field" }, h("label", { for: "project-title" }, "Another project"), title), add,
    h("h2", {}, "Proven here"), h("p", { class: "help" }, "Ticked ones are shown."),
    h("ul", { id: "own-evidence" }, ...evidence.map(proof))];
}

async function show() {
  const mine = (shown += 1);
  const [part, id] = location.hash.slice(1).split("/");
  const pages = { mentor: mentorPage, bookings: bookingList, booking: bookingPage, portfolio: portfolioPage };
  for (const tab of ["mentors", "bookings", "portfolio"]) {
    const on = tab === part || (tab === "mentors" && !(part in pages)) || `${part}s` === tab;
    $(`tab-${tab}`).toggleAttribute("aria-current", on);
  }
  try {
    const parts = await (pages[part] ?? mentorList)(id);
    if (mine === shown) $("page").replaceChildren(...parts.filter(Boolean));
  } catch (error) {
    if (mine === shown) $("page").replaceChildren(h("p", { class: "note" }, explain(error)));
  }
}

function heard(news) {
  if (news.type === "slot_offered") {
    setNote($("said"), `A time was freed and is held for you: ${when(news.start)}.`);
    announce("A time was freed for you");
    $("said").append(" ", h("a", { href: `#booking/${news.booking_id}` }, "Look at it"));
  }
  if (["slot_offered", "booking_changed", "mentor_changed"].includes(news.type) && location.hash.startsWith("#booking")) show();
}

async function start() {
  try {
    me = await whoAmI();
  } catch (error) {
    setNote($("said"), explain(error));
    return;
  }
  $("gate").hidden = Boolean(me);
  if (!me) return signInPanel($("gate"), () => location.reload());
  $("who").hidden = false;
  $("page").hidden = false;
  setText($("who-name"), me.display_name);
  $("sign-out").addEventListener("click", () => signOut().finally(() => location.reload()));
  const client = connect($("connection"), () => location.reload());
  client.on("publication", (context) => heard(context.data));
  client.connect();
  window.addEventListener("hashchange", () => {
    setNote($("said"), null);
    show();
  });
  await show();
}

start();
