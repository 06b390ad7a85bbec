// Names of people by id, and who is here.

import { get, withQuery } from "./api.js";
import { h } from "./dom.js";

/** The platform itself speaks under this id. */
const platform = "00000000-0000-0000-0000-000000000000";
const names = new Map([[platform, "Gigsy"]]);
const waiting = new Map();

/** Remembers a name that some answer carried. */
export function learn(id, name) {
  if (id && name) names.set(id, name);
}

/** The name of a person as far as it is known here. */
export const nameOf = (id) => names.get(id) ?? "Somebody";
export const isKnown = (id) => names.has(id);

/** Asks for a name that no answer carried yet, once. */
export function lookUp(id) {
  if (!id || names.has(id)) return Promise.resolve(nameOf(id));
  if (!waiting.has(id)) {
    const asked = get(`/api/v1/people/${encodeURIComponent(id)}`)
      .then((person) => learn(id, person.display_name ?? person.name))
      .catch(() => {})
      .then(() => nameOf(id));
    waiting.set(id, asked);
  }
  return waiting.get(id);
}

/** People whose name or e-mail matches. */
export async function find(text) {
  const { items } = await get(withQuery("/api/v1/people", { q: text }));
  for (const person of items) learn(person.id, person.display_name);
  return items;
}

/** A round badge with initials, coloured by the person's id. */
export function avatar(id) {
  const initials = nameOf(id).split(/\s+/).map((word) => [...word][0] ?? "").slice(0, 2).join("").toUpperCase();
  let hash = 0;
  for (const char of String(id)) hash = (hash * 31 + char.charCodeAt(0)) >>> 0;
  return h("span", { class: "avatar", "aria-hidden": "true", dataset: { tint: String(hash % 6) } }, initials);
}

/** Who is connected to a channel: connections by client id, people by user id. */
export class Presence {
  #clients = new Map();

  reset(clients) {
    this.#clients = new Map();
    for (const info of Object.values(clients ?? {})) this.join(info);
  }

  join(info) {
    learn(info.user, info.connInfo?.display_name ?? info.connInfo?.name);
    this.#clients.set(info.client, info.user);
  }

  leave(info) {
    this.#clients.delete(info.client);
  }

  has(user) {
    return [...this.#clients.values()].includes(user);
  }

  /** Each person once. */
  get users() {
    return [...new Set(this.#clients.values())];
  }
}
