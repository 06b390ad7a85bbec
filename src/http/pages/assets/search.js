// Search as one types, with facets and reasons, and what fits whoever looks: `/search`. What is searched for is in
// the address, so that it can be kept and shared.

import { get, me as whoAmI, post, signOut, withQuery } from "./api.js";
import { $, announce, debounce, h, setNote, setText } from "./dom.js";
import { connect } from "./realtime.js";
import { explain, signInPanel } from "./session.js";

const KINDS = { gig: "Gig", course: "Course", person: "Person", mentor: "Mentor" };
const TITLES = { kind: "What", skills: "Skills", languages: "Languages", level: "Level", remote: "From anywhere", tags: "Terms", currency: "Currency" };
// The facet's name in an answer, and the parameter that narrows by it.
const PARAMETERS = { kind: "kind", skills: "skill", languages: "language", level: "level", remote: "remote", tags: "tag", currency: "currency" };
const SINGLE = new Set(["remote", "currency"]);
const PLURALS = { gig: "Gigs", course: "Courses", person: "People", mentor: "Mentors" };
const LANGUAGES = new Intl.DisplayNames(undefined, { type: "language", fallback: "code" });

/** What a facet's value is called: the taxonomy names skills, the others are words of the API. */
function named(facet, { value, name }) {
  if (facet === "kind") return PLURALS[value] ?? name;
  if (facet === "remote") return value === "true" ? "Yes" : "No";
  if (facet === "languages") {
    try {
      return LANGUAGES.of(value);
    } catch {
      return name; // no language tag
    }
  }
  return name === value ? name.replaceAll("_", " ") : name;
}

const money = ({ amount_minor, currency }) => {
  const format = new Intl.NumberFormat(undefined, { style: "currency", currency });
  return format.format(amount_minor / 10 ** format.resolvedOptions().maximumFractionDigits);
};

let asked = 0; // grows with every question: only the latest answer is shown
let chosen = new Map(); // parameter → set of values
let next;
let active = -1; // the suggestion that arrow keys are on
let taken = null; // the suggestion that was chosen: it needs no more

const typed = () => $("q").value.trim();

function fromAddress() {
  const query = new URLSearchParams(location.search);
  $("q").value = query.get("q") ?? "";
  $("sort").value = query.get("sort") ?? "";
  if ($("sort").selectedIndex < 0) $("sort").value = ""; // an order that there is not
  chosen = new Map(Object.values(PARAMETERS).filter((name) => query.get(name))
    .map((name) => [name, new Set(query.get(name).split(","))]));
}

function parameters() {
  return { q: typed(), sort: $("sort").value, ...Object.fromEntries([...chosen].map(([name, values]) => [name, [...values].join(",")])) };
}

/** A text whose matches are marked. Ranges are in UTF-16 code units, as strings here are. */
function marked({ text, ranges }) {
  const parts = [];
  let at = 0;
  for (const [from, to] of ranges) {
    parts.push(text.slice(at, from), h("mark", {}, text.slice(from, to)));
    at = to;
  }
  parts.push(text.slice(at));
  return parts.filter((part) => part !== "");
}

function tell(one, deed) {
  post("/api/v1/recommendations/feedback", { items: [{ kind: one.kind, id: one.id, deed }] }).catch(() => {});
}

function result(one, recommended) {
  const title = h("a", { href: one.url }, ...(one.highlights ? marked(one.highlights.title) : [one.title]));
  title.addEventListener("click", () => tell(one, "opened"));
  const facts = [KINDS[one.kind], one.price && money(one.price), one.rating && `${one.rating.toFixed(1)} of 5`].filter(Boolean);
  const text = one.highlights?.text.text ? marked(one.highlights.text) : [one.summary];
  const row = h("li", { class: "result", dataset: { kind: one.kind, id: one.id } },
    h("h2", {}, title), h("p", { class: "help" }, facts.join(" · ")), h("p", {}, ...text));
  if (one.reasons.length) row.append(h("ul", { class: "reasons" }, ...one.reasons.map((reason) => h("li", {}, reason))));
  for (const course of one.taught_in ?? []) {
    row.append(h("p", {}, "Learn it: ", h("a", { href: `/#course/${course.course_id}` }, course.title)));
  }
  if (recommended) {
    const away = h("button", { type: "button", class: "link" }, "Not for me");
    away.addEventListener("click", async () => {
      try {
        await post("/api/v1/recommendations/feedback", { items: [{ kind: one.kind, id: one.id, deed: "dismissed" }] });
        const following = row.nextElementSibling ?? row.previousElementSibling;
        row.remove();
        (following?.querySelector("a") ?? $("q")).focus();
        announce("It will not come again");
      } catch (error) {
        setNote($("said"), explain(error));
      }
    });
    row.append(away);
  }
  return row;
}

function facets(found) {
  const groups = Object.entries(PARAMETERS).map(([facet, name]) => {
    const counts = found.facets[facet] ?? [];
    const on = chosen.get(name) ?? new Set();
    const values = [...counts.slice(0, 12)];
    for (const value of on) if (!values.some((one) => one.value === value)) values.push({ value, name: value, count: 0 });
    if (values.length < 2 && !on.size) return null;
    return h("fieldset", { dataset: { facet } }, h("legend", {}, TITLES[facet]), ...values.map((one) => {
      const box = h("input", { type: "checkbox", checked: on.has(one.value), value: one.value });
      box.addEventListener("change", () => {
        const values = chosen.get(name) ?? new Set();
        if (SINGLE.has(name)) values.clear();
        if (box.checked) values.add(one.value); else values.delete(one.value);
        if (values.size) chosen.set(name, values); else chosen.delete(name);
        search({ focus: `[data-facet="${facet}"] input[value="${CSS.escape(one.value)}"]` });
      });
      return h("label", {}, box, h("span", {}, named(facet, one)), h("span", { class: "help" }, one.count));
    }));
  });
  $("facets").replaceChildren(...groups.filter(Boolean));
}

/** What fits whoever looks, before anything is typed. */
async function recommendations(mine = (asked += 1)) {
  const { items } = await get("/api/v1/recommendations/gigs?limit=10");
  if (mine !== asked) return;
  next = undefined;
  setText($("heading"), "For you");
  setText($("count"), items.length ? "Open gigs that fit what you can do" : "Nothing is open at the moment.");
  $("meant").hidden = true;
  $("more").hidden = true;
  $("ordered").hidden = true; // the best first: there is no other order
  $("facets").replaceChildren();
  $("results").replaceChildren(...items.map((one) => result(one, true)));
  if (items.length) {
    post("/api/v1/recommendations/feedback", { items: items.map(({ kind, id }) => ({ kind, id, deed: "shown" })) }).catch(() => {});
  }
}

/** What somebody may do who found nothing. */
function nothing() {
  return chosen.size ? "Nothing was found. Take a filter away, and there may be something." : "Nothing was found.";
}

async function search({ focus, push = false } = {}) {
  setNote($("said"), null);
  const params = parameters();
  const address = withQuery("/search", params);
  const mine = (asked += 1);
  if (address !== location.pathname + location.search) history[push ? "pushState" : "replaceState"](null, "", address);
  try {
    if (!params.q && !chosen.size) return await recommendations(mine);
    const found = await get(withQuery("/api/v1/search", { ...params, limit: 20 }));
    if (mine !== asked) return;
    setText($("heading"), "Results");
    $("ordered").hidden = false;
    const about = found.total_is_estimate ? "About " : "";
    setText($("count"), found.items.length ? `${about}${found.total} found` : nothing());
    const meant = $("meant");
    meant.hidden = !found.did_you_mean;
    if (found.did_you_mean) {
      const instead = h("a", { href: withQuery("/search", { ...params, q: found.did_you_mean }) }, found.did_you_mean);
      instead.addEventListener("click", (event) => {
        event.preventDefault();
        $("q").value = found.did_you_mean;
        search({ push: true });
      });
      meant.replaceChildren("Did you mean ", instead, "?");
    }
    facets(found);
    $("results").replaceChildren(...found.items.map((one) => result(one, false)));
    next = found.next_cursor;
    $("more").hidden = !next;
    if (focus) document.querySelector(focus)?.focus();
  } catch (error) {
    // Of a question that was put again in the meantime nobody needs to know.
    if (mine === asked) setNote($("said"), explain(error));
  }
}

async function more() {
  const mine = asked;
  try {
    const found = await get(withQuery("/api/v1/search", { ...parameters(), limit: 20, cursor: next }));
    if (mine !== asked) return;
    const rows = found.items.map((one) => result(one, false));
    $("results").append(...rows);
    next = found.next_cursor;
    $("more").hidden = !next;
    rows[0]?.querySelector("a")?.focus();
  } catch (error) {
    setNote($("said"), explain(error));
  }
}

function closeSuggestions() {
  active = -1;
  $("suggestions").hidden = true;
  $("q").setAttribute("aria-expanded", "false");
  $("q").removeAttribute("aria-activedescendant");
}

function take(text) {
  $("q").value = text;
  taken = text;
  closeSuggestions();
  search({ push: true });
}

async function suggest() {
  const q = typed();
  if (q.length < 2 || q === taken) return closeSuggestions();
  const { items } = await get(withQuery("/api/v1/suggest", { q, limit: 6 })).catch(() => ({ items: [] }));
  if (q !== typed() || q === taken || document.activeElement !== $("q")) return;
  // The same again: whoever is on one of them stays there.
  const shown = [...$("suggestions").children].map((row) => row.textContent);
  if (!$("suggestions").hidden && shown.join("\n") === items.map((one) => one.text).join("\n")) return;
  $("suggestions").replaceChildren(...items.map((one, n) => {
    const row = h("li", { id: `suggestion-${n}`, role: "option", "aria-selected": "false" }, one.text);
    row.addEventListener("mousedown", (event) => {
      event.preventDefault(); // the field keeps the focus
      take(one.text);
    });
    return row;
  }));
  active = -1;
  $("suggestions").hidden = !items.length;
  $("q").setAttribute("aria-expanded", String(items.length > 0));
}

/** To the next suggestion or the one before; past either end is none. */
function move(by) {
  const rows = [...$("suggestions").children];
  if (!rows.length || $("suggestions").hidden) return;
  active += by;
  if (active >= rows.length) active = -1;
  if (active < -1) active = rows.length - 1;
  rows.forEach((row, n) => row.setAttribute("aria-selected", String(n === active)));
  if (active >= 0) $("q").setAttribute("aria-activedescendant", rows[active].id);
  else $("q").removeAttribute("aria-activedescendant");
}

function keys(event) {
  const rows = $("suggestions").children;
  if (event.key === "ArrowDown") move(1);
  else if (event.key === "ArrowUp") move(-1);
  else if (event.key === "Escape") closeSuggestions();
  else if (event.key === "Enter" && active >= 0 && rows[active]) take(rows[active].textContent);
  else return;
  event.preventDefault();
}

function heard(news) {
  if (news.type !== "notification" || news.notification?.kind !== "match.found") return;
  setNote($("said"), `${news.notification.title} ${news.notification.body}`);
  announce("A gig that fits you was posted");
  $("said").append(" ", h("a", { href: news.notification.link }, "Look at it"));
  if (!typed() && !chosen.size) recommendations().catch(() => {});
}

async function start() {
  let me;
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
  $("form").addEventListener("submit", (event) => {
    event.preventDefault();
    closeSuggestions();
    search({ push: true });
  });
  const soon = debounce(150, () => Promise.all([search(), suggest()]));
  $("q").addEventListener("input", soon);
  $("sort").addEventListener("change", () => search({ push: true }));
  $("q").addEventListener("keydown", keys);
  $("q").addEventListener("blur", closeSuggestions);
  $("more").addEventListener("click", more);
  window.addEventListener("popstate", () => {
    fromAddress();
    search();
  });
  const client = connect($("connection"), () => location.reload());
  client.on("publication", (context) => heard(context.data));
  client.connect();
  fromAddress();
  await search();
  $("q").focus();
}

start();
