// The public page of one badge: `/badges/{id}`.

import { get } from "./api.js";
import { $, h, setNote } from "./dom.js";
import { explain } from "./session.js";

const day = new Intl.DateTimeFormat(undefined, { dateStyle: "long" });
const id = decodeURIComponent(location.pathname.split("/").pop() ?? "");

try {
  const badge = await get(`/api/v1/badges/${encodeURIComponent(id)}`);
  const who = badge.display_name ?? "Somebody who prefers not to be named";
  document.title = `${badge.name} · ${who} · Gigsy`;
  $("badge").replaceChildren(
    h("img", { src: badge.icon, alt: "", width: 96, height: 96 }),
    h("h1", {}, badge.name),
    h("p", { class: `tier ${badge.tier}` }, badge.n > 1 ? `${badge.tier}, the ${badge.n}th time` : badge.tier),
    h("p", {}, badge.description),
    h("p", {}, h("b", {}, who), `, ${day.format(new Date(badge.awarded_at))}`),
    h("p", {}, h("a", { href: "/" }, "Go to Gigsy")),
  );
} catch (error) {
  setNote($("badge-note"), error.status === 404 ? "There is no such badge, or it is gone." : explain(error));
}
