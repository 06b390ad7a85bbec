// The operators' console at `/ops`: first painted by REST, then fed by the channel `ops:actors`.

import { get, me as whoAmI, post, signOut, withQuery } from "./api.js";
import { ActorsTable, MOST_ROWS } from "./actors-table.js";
import { $, announce, count, debounce, h, setNote, setText } from "./dom.js";
import { bytes, duration, number } from "./format.js";
import { connect } from "./realtime.js";
import { explain, signInPanel } from "./session.js";

const STALE_MS = 5000;
const LOOK_MS = 2000;

async function start() {
  let me;
  try {
    me = await whoAmI();
  } catch (error) {
    return gate({ note: explain(error) });
  }
  if (!me) return gate({});
  $("who").hidden = false;
  setText($("who-name"), me.display_name);
  if (!me.roles?.includes("operator")) {
    return gate({ note: `${me.display_name} is signed in, and is not an operator (403). Sign in as one to see the machine room.` });
  }
  run();
}

function gate({ note }) {
  $("console").hidden = true;
  $("gate").hidden = false;
  signInPanel($("gate"), () => location.reload(), { title: "Operators only", note, onlySignIn: true });
}

function run() {
  $("gate").hidden = true;
  $("console").hidden = false;
  let paused = false;
  let latest = null;
  let arrived = 0;
  let looked = [];
  const table = new ActorsTable($("heads"), $("actors"), (actor) => askRestart(actor));

  function draw() {
    const { matching, shown } = table.draw();
    const total = latest?.total ?? matching;
    const filtered = $("filter-text").value.trim() || $("filter-kind").value;
    const text = filtered ? `${number(matching)} of ${count(total, "actor")}${matching > shown ? `, ${shown} shown` : ""}`
      : total > shown ? `${shown} of ${count(total, "actor")}; filter to find the others` : count(total, "actor");
    setText($("shown"), text);
    $("no-actors").hidden = matching > 0;
  }

  function take(sample) {
    arrived = Date.now();
    sample.total ??= sample.actors.length;
    latest = sample;
    setNote($("trouble"), null);
    // The channel carries the busiest actors only; what was asked for by a filter is added.
    const sent = new Set(sample.actors.map((actor) => `${actor.kind}/${actor.id}`));
    table.update([...sample.actors, ...looked.filter((actor) => !sent.has(`${actor.kind}/${actor.id}`))], sample.at ? Date.parse(sample.at) : arrived);
    if (paused) return;
    drawKinds(table.kinds);
    if (sample.system) drawSystem(sample);
    setText($("as-of"), `as of ${new Date(sample.at ?? arrived).toLocaleTimeString()}`);
    draw();
  }

  /** Asks for the actors that the filter names, when the channel does not carry them all. */
  async function look() {
    const [q, kind] = [$("filter-text").value.trim(), $("filter-kind").value];
    if (!latest || latest.total <= latest.actors.length || !(q || kind)) return void (looked = []);
    try {
      looked = (await get(withQuery("/api/v1/ops/actors", { q, kind, sort: "depth", limit: MOST_ROWS }))).items;
    } catch (error) {
      setNote($("trouble"), explain(error));
    }
  }
  setInterval(look, LOOK_MS);
  const lookSoon = debounce(250, look);

  const filter = () => {
    table.filter({ text: $("filter-text").value, kind: $("filter-kind").value });
    draw();
    lookSoon();
  };
  $("filter-text").addEventListener("input", filter);
  $("filter-kind").addEventListener("change", filter);
  $("pause").addEventListener("click", () => {
    paused = !paused;
    $("pause").setAttribute("aria-pressed", String(paused));
    setText($("pause"), paused ? "Continue" : "Pause");
    if (!paused && latest) take(latest);
  });

  const client = connect($("connection"), ({ code }) => {
    whoAmI().then((still) => (still ? setNote($("trouble"), `The server closed this connection for good (${code}). Reload the page to try again.`)
      : location.reload()), () => {});
  });
  const live = client.newSubscription("ops:actors");
  live.on("publication", ({ data }) => take(data));
  live.on("subscribed", ({ data }) => data?.actors && take(data));
  live.on("unsubscribed", ({ code, reason }) => code && setNote($("trouble"), `No live view: ${reason} (${code}).`));
  live.subscribe();
  client.connect();

  Promise.all([get("/api/v1/ops/actors"), get("/api/v1/ops/system")]).then(
    // What is live is newer.
    ([{ items, total }, system]) => latest ?? take({ actors: items, total, system }),
    (error) => latest ?? setNote($("trouble"), explain(error)),
  );
  setInterval(() => {
    // Numbers that stand still look like a calm system: say that they are old.
    const age = Date.now() - arrived;
    if (arrived && age > STALE_MS) setNote($("trouble"), `Nothing has come for ${duration(age / 1000)}: these numbers are old.`);
  }, 1000);
}

// ---- panels -----------------------------------------------------------------------------------

function drawKinds(kinds) {
  const select = $("filter-kind");
  const wanted = [["", "All kinds"], ...kinds.map(([kind, n]) => [kind, `${kind} (${number(n)})`])];
  // A kind that is chosen stays on the list though its last actor went.
  if (select.value && !wanted.some(([kind]) => kind === select.value)) wanted.push([select.value, `${select.value} (0)`]);
  wanted.forEach(([value, text], i) => {
    const option = select.options[i] ?? select.appendChild(h("option"));
    if (option.value !== value) {
      const chosen = select.value;
      option.value = value;
      select.value = chosen;
    }
    setText(option, text);
  });
  while (select.options.length > wanted.length) select.lastElementChild.remove();
}

function drawSystem({ system, actors, total }) {
  const sum = (name) => actors.reduce((total, actor) => total + (actor[name] ?? 0), 0);
  const tiles = [
    ["Connections", number(system.sockets?.connections)],
    ["Subscriptions", number(system.sockets?.subscriptions)],
    ["Actors", number(total)],
    ["Waiting", number(sum("depth"))],
    ["Rejected", number(sum("rejected"))],
    ["Restarts", number(sum("restarts"))],
    ["Memory", bytes(system.rss_bytes)],
    ["Up", duration(system.uptime_s)],
  ];
  const place = $("tiles");
  tiles.forEach(([title, value], i) => {
    const tile = place.children[i] ?? place.appendChild(h("div", {}, h("dt"), h("dd")));
    setText(tile.firstElementChild, title);
    setText(tile.lastElementChild, value);
  });
  rows($("shards"), system.shards ?? [], (shard) => [shard.id, number(shard.connections), number(shard.channels), bytes(shard.queued_bytes), number(shard.frames_out)]);
  rows($("stores"), system.stores ?? [], (store) => [store.name, store.mode, store.reachable ? "reachable" : "away",
    store.latency_ms === undefined || store.latency_ms === null ? "–" : `${Number(store.latency_ms).toFixed(1)} ms`, store.version, store.mend ?? store.detail ?? ""]);
  (system.stores ?? []).forEach((store, i) => ($("stores").children[i].children[2].className = store.reachable ? "good" : "bad"));
}

/** Plain rows whose numeric columns follow their table's head. */
function rows(body, items, cells) {
  const heads = body.parentElement.tHead.rows[0].cells;
  items.forEach((item, i) => {
    const row = body.rows[i] ?? body.appendChild(h("tr", {}, ...[...heads].map((head) => h("td", { class: head.className }))));
    cells(item).forEach((text, j) => setText(row.cells[j], text ?? "–"));
  });
  while (body.rows.length > items.length) body.lastElementChild.remove();
}

// ---- restart ----------------------------------------------------------------------------------

let subject = null;

function askRestart(actor) {
  subject = actor;
  setText($("restart-kind"), actor.kind);
  setText($("restart-id"), actor.id);
  setNote($("restart-error"), null);
  $("restart-dialog").showModal();
}

$("restart-go").addEventListener("click", async () => {
  const { kind, id } = subject;
  $("restart-go").disabled = true;
  try {
    await post(`/api/v1/ops/actors/${encodeURIComponent(kind)}/${encodeURIComponent(id)}/restart`);
    $("restart-dialog").close();
    announce(`${kind} ${id} restarts`);
  } catch (error) {
    setNote($("restart-error"), explain(error));
  } finally {
    $("restart-go").disabled = false;
  }
});

$("sign-out").addEventListener("click", async () => {
  try {
    await signOut();
  } catch (error) {
    if (error.status !== 401) return setNote($("trouble"), explain(error));
  }
  location.reload();
});

start();
