// What the Node peers share: the token check, and telling the harness where they listen.
import { createHmac, timingSafeEqual } from 'node:crypto';

/** Whom a JWT (HS256) names; nobody if it is not one of ours, or old. */
export function subject(token) {
  const [head, claims, signature] = (token ?? '').split('.');
  if (!signature) return null;
  const ours = createHmac('sha256', process.env.SECRET).update(`${head}.${claims}`).digest();
  const given = Buffer.from(signature, 'base64url');
  if (ours.length !== given.length || !timingSafeEqual(ours, given)) return null;
  const { sub, exp } = JSON.parse(Buffer.from(claims, 'base64url').toString());
  return exp > Date.now() / 1000 ? sub : null;
}

/** Room and token of an address like `/?room=a&token=b`. */
export function asked(url) {
  const query = new URLSearchParams(url.slice(url.indexOf('?') + 1));
  return { room: query.get('room') ?? '', token: query.get('token') ?? '' };
}

export function ready(port) {
  console.log(`ready ${port}`);
}

/** Sets of connections by room. */
export class Rooms {
  #rooms = new Map();
  of(room) {
    return this.#rooms.get(room) ?? [];
  }
  enter(room, connection) {
    if (!this.#rooms.has(room)) this.#rooms.set(room, new Set());
    this.#rooms.get(room).add(connection);
  }
  leave(room, connection) {
    this.#rooms.get(room)?.delete(connection);
  }
}
