// Calls to the REST API. The session is the browser's HttpOnly cookie: no script ever holds it.

/** A call that did not succeed; `problem` is the RFC 9457 body where there is one. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem?.detail || problem?.title || (status ? `The server answered ${status}.` : "The server cannot be reached."));
    this.status = status;
    this.problem = problem;
  }

  /** Messages by field name: {email: "is not an address"}. */
  get fields() {
    const entries = (this.problem?.errors ?? []).map((e) => [String(e.pointer ?? "").replace(/^#?\//, ""), e.detail]);
    return Object.fromEntries(entries);
  }
}

/** One call; answers the parsed body, throws an {@link ApiError} otherwise. */
export async function call(method, path, body, headers = {}) {
  let response;
  try {
    response = await fetch(path, {
      method,
      credentials: "same-origin",
      headers: { accept: "application/json", ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new ApiError(0);
  }
  const text = await response.text();
  let data;
  try {
    data = text ? JSON.parse(text) : undefined;
  } catch {
    data = undefined;
  }
  if (!response.ok) throw new ApiError(response.status, data);
  return data;
}

export const get = (path) => call("GET", path);
export const post = (path, body = {}, headers) => call("POST", path, body, headers);

/** The signed-in person, or null. */
export async function me() {
  try {
    return await get("/api/v1/me");
  } catch (error) {
    if (error.status === 401) return null;
    throw error;
  }
}

export const signOut = () => call("DELETE", "/api/v1/auth/sessions/current");

/** `path?a=1`, without the parameters that are not given. */
export function withQuery(path, params) {
  const given = Object.entries(params).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

/** All items of a paged list, up to `most`. */
export async function all(path, most = 500) {
  const items = [];
  let cursor;
  do {
    const page = await get(withQuery(path, { cursor, limit: 100 }));
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor && items.length < most);
  return items;
}
