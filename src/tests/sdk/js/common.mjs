// What the scenarios share: the unmodified npm `centrifuge` client over `ws`, REST, bounded waits,
// and questions to the Rust test that started this (see src/tests/support/sdk.rs).
//
// With GIGSY_SDK_FORMAT=protobuf it is the SDK's Protobuf build. There payloads are bytes; here they are made
// JSON on the way in and out, so that a scenario is the same in both forms.
import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import * as json from 'centrifuge';
import * as protobuf from 'centrifuge/build/protobuf';
import WebSocket from 'ws';

export { assert };
export const fixture = JSON.parse(process.argv[2]);
export const format = process.env.GIGSY_SDK_FORMAT ?? 'json';
/** The SDK in that form. */
export const sdk = (of = format) => (of === 'protobuf' ? protobuf : json);
export const { UnauthorizedError } = sdk();
export const chat = (room = fixture.room) => `chat:${room}`;

const stdin = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Has the Rust side do something, and gives its answer. */
export async function ask(question) {
  process.stdout.write(`@ask ${JSON.stringify(question)}\n`);
  return JSON.parse((await stdin.next()).value);
}

/** Awaits a promise for at most `ms`. */
export function within(what, promise, ms = 15000) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Waits until `look()` is truthy, and gives what it gave. */
export async function eventually(what, look, ms = 15000) {
  const end = Date.now() + ms;
  for (;;) {
    const found = look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((done) => setTimeout(done, 10));
  }
}

/** Awaits what must be refused, and gives the error. */
export async function refused(what, promise) {
  try {
    const answer = await within(what, promise);
    throw new assert.AssertionError({ message: `${what} was accepted: ${JSON.stringify(answer)}` });
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    return error;
  }
}

export async function rest(person, method, path, body) {
  const response = await fetch(`${fixture.base}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${person.token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(15000),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

/** A message by REST; its answer holds `seq`. */
export const send = (person, body, room = fixture.room) =>
  rest(person, 'POST', `/api/v1/chat/rooms/${room}/messages`, {
    client_msg_id: body.replaceAll(' ', '-'),
    body,
  });

/** A command that every connection may give: it must be answered. */
export const answers = (on, person) => within('an answer', on.history(`user:${person.id}`, { limit: 0 }));

// The SDK's own codec, to read along what passes in binary.
const codec = new protobuf.Centrifuge('ws://nowhere')._codec;
const line = (message) =>
  JSON.stringify(message, (_, value) => (value instanceof Uint8Array ? `${value.length} bytes` : value));

/** A WebSocket that keeps what passed, as lines of JSON. */
export class Spy extends WebSocket {
  static all = [];
  constructor(...args) {
    super(...args);
    this.sent = [];
    this.received = [];
    /** How many frames came as text, and as binary. */
    this.frames = { text: 0, binary: 0 };
    Spy.all.push(this);
    this.on('message', (data, isBinary) => {
      this.frames[isBinary ? 'binary' : 'text'] += 1;
      const bytes = new Uint8Array(data);
      const lines = isBinary ? codec.decodeReplies(bytes).map(line) : data.toString().split('\n');
      this.received.push(...lines.filter(Boolean));
    });
  }
  send(data, ...rest) {
    const text = typeof data === 'string';
    this.sent.push(text ? data : codec.decodeCommands(data).map(line).join('\n'));
    super.send(data, ...rest);
  }
  /** Pings of the server that came. */
  get pings() {
    return this.received.filter((line) => line === '{}').length;
  }
}

export async function token(person) {
  return (await rest(person, 'POST', '/api/v1/realtime/token')).token;
}

const toBytes = (value) => new TextEncoder().encode(JSON.stringify(value));
const fromBytes = (bytes) => (bytes?.length ? JSON.parse(new TextDecoder().decode(bytes)) : undefined);

/** A client of the Protobuf build that takes and gives JSON, as the other build does. */
function withJson(made) {
  const { publish, rpc, history } = made;
  const read = (it) => ({ ...it, data: fromBytes(it.data) });
  made.read = read;
  made.publish = (channel, data) => publish.call(made, channel, toBytes(data));
  made.rpc = async (method, data) => read(await rpc.call(made, method, toBytes(data)));
  made.history = async (...args) => {
    const page = await history.apply(made, args);
    return { ...page, publications: page.publications.map(read) };
  };
  return made;
}

const clients = [];

/** A client of that person, not connected yet; `log` holds its events in order. */
export function client(person, options = {}) {
  const { url = fixture.ws, form = format, ...others } = options;
  const { Centrifuge } = sdk(form);
  const made = new Centrifuge(url, {
    websocket: Spy,
    getToken: () => token(person),
    minReconnectDelay: 50,
    maxReconnectDelay: 300,
    timeout: 15000,
    ...others,
  });
  made.form = form;
  made.read = (it) => it;
  if (form === 'protobuf') withJson(made);
  made.log = [];
  for (const event of ['connecting', 'connected', 'disconnected', 'error', 'subscribed', 'publication']) {
    made.on(event, (ctx) => made.log.push({ event, ...(event === 'publication' ? made.read(ctx) : ctx) }));
  }
  clients.push(made);
  return made;
}

/** Connects and waits for it. */
export async function connected(person, options) {
  const made = client(person, options);
  made.connect();
  await within('connect', made.ready());
  return made;
}

/** A subscription whose `log` holds its events in order; not started yet. */
export function subscription(on, channel, options) {
  const sub = on.newSubscription(channel, { minResubscribeDelay: 50, maxResubscribeDelay: 300, ...options });
  sub.log = [];
  for (const event of ['subscribing', 'subscribed', 'unsubscribed', 'publication', 'join', 'leave', 'error']) {
    sub.on(event, (ctx) => sub.log.push({ event, ...(event === 'publication' ? on.read(ctx) : ctx) }));
  }
  sub.of = (event) => sub.log.filter((entry) => entry.event === event);
  sub.messages = () =>
    sub.of('publication').filter((p) => p.data.type === 'message');
  return sub;
}

/** Subscribes and waits for it. */
export async function subscribed(on, channel, options) {
  const sub = subscription(on, channel, options);
  sub.subscribe();
  await within(`subscribe ${channel}`, sub.ready());
  return sub;
}

export const bodies = (publications) => publications.map((p) => p.data.body);
export const numbered = (name, from, to) =>
  Array.from({ length: to - from + 1 }, (_, i) => `${name}-${from + i}`);

/** Offsets rise by one: a room's stream has no gap. */
export function assertGapless(publications) {
  publications.forEach((p, i) => {
    if (i > 0) assert.equal(p.offset, publications[i - 1].offset + 1, 'a gap in the stream');
    if (p.data.seq !== undefined) assert.equal(p.data.seq, p.offset, 'offset is the seq');
  });
}

/** Runs the scenario and ends the process with what became of it. */
export async function run(scenario) {
  try {
    await scenario();
    const frames = (kind) => Spy.all.reduce((sum, socket) => sum + socket.frames[kind], 0);
    const [spoken, other] = format === 'protobuf' ? ['binary', 'text'] : ['text', 'binary'];
    if (clients.length > 0 && clients.every((each) => each.form === format)) {
      assert.ok(frames(spoken) > 0 && frames(other) === 0, `it spoke ${format}, and nothing else`);
    }
    for (const each of clients) each.disconnect();
    process.exit(0);
  } catch (error) {
    console.error(error);
    for (const each of clients) console.error(each.state, JSON.stringify(each.log.slice(-20)));
    process.exit(1);
  }
}
