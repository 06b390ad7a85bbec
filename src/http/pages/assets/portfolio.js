// The public page of a portfolio is rendered by the server; this keeps its evidence up to date. Whoever is
// signed in hears of changes at once; everybody else's page asks now and then.

import { ApiError, get, me } from "./api.js";
import { $, h } from "./dom.js";
import { connect } from "./realtime.js";

const ASK_MS = 15_000;
const user = document.body.dataset.user;
const list = $("evidence-list");
const day = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeZone: "UTC" });

function item(one) {
  const title = one.link ? h("a", { href: one.link }, one.title) : one.title;
  return h("li", { dataset: { id: one.id } }, h("b", {}, title), " ",
    h("span", { class: "help" }, `${one.detail}, ${day.format(new Date(one.at))}`));
}

async function refresh() {
  try {
    const shown = await get(location.pathname);
    list.replaceChildren(...shown.evidence.map(item));
    $("evidence").hidden = !shown.evidence.length;
  } catch (error) {
    // Not public any more: what is here is not to be shown either.
    if (error instanceof ApiError && error.status === 404) location.reload();
  }
}

const who = await me().catch(() => null);
if (who) {
  const client = connect($("connection"));
  const subscription = client.newSubscription(`portfolio:${user}`);
  subscription.on("publication", refresh);
  // What happened between the page and the subscription.
  subscription.on("subscribed", refresh);
  subscription.subscribe();
  client.connect();
} else {
  setInterval(() => document.hidden || refresh(), ASK_MS);
}
