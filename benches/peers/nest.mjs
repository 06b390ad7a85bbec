// A NestJS gateway on `@nestjs/platform-ws`. `pub` goes to the room; `say` is a row in PostgreSQL first,
// with a gapless number in its room, and then goes to the room. Decorators are applied by hand, so that
// no compiler stands between.
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { WsAdapter } from '@nestjs/platform-ws';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import pg from 'pg';
import { Rooms, asked, ready, subject } from './common.mjs';

const SAY = `WITH place AS (UPDATE rooms SET last = last + 1 WHERE id = $1 RETURNING last)
  INSERT INTO messages (room, seq, body) SELECT $1, last, $2 FROM place RETURNING seq`;

class Gateway {
  rooms = new Rooms();
  last = new Map();
  pool = process.env.PG ? new pg.Pool({ connectionString: process.env.PG, max: 10 }) : null;

  handleConnection(socket, request) {
    const { room, token } = asked(request.url);
    if (subject(token) === null) return socket.close(4401, 'who?');
    if (!room) return;
    this.rooms.enter(room, socket);
    socket.on('close', () => this.rooms.leave(room, socket));
  }

  tell(room, data) {
    const frame = Buffer.from(JSON.stringify({ event: 'pub', data }));
    for (const member of this.rooms.of(room)) member.send(frame, { binary: false });
  }

  pub(_socket, { id, room, body }) {
    this.tell(room, body);
    return { event: 'ack', data: id };
  }

  say(_socket, { id, room, body }) {
    // One at a time in each room: the order of the rows is the order of the room.
    const mine = (this.last.get(room) ?? Promise.resolve()).then(async () => {
      await this.pool.query({ name: 'say', text: SAY, values: [room, body] });
      this.tell(room, body);
      return { event: 'ack', data: id };
    });
    this.last.set(room, mine.catch(() => {}));
    return mine;
  }
}
const describe = (name) => Object.getOwnPropertyDescriptor(Gateway.prototype, name);
SubscribeMessage('pub')(Gateway.prototype, 'pub', describe('pub'));
SubscribeMessage('say')(Gateway.prototype, 'say', describe('say'));
WebSocketGateway()(Gateway);

class App {}
Module({ providers: [Gateway] })(App);

const app = await NestFactory.create(App, { logger: ['error'] });
app.useWebSocketAdapter(new WsAdapter(app));
if (process.env.PG) {
  const client = new pg.Client({ connectionString: process.env.PG });
  await client.connect();
  await client.query(`CREATE TABLE IF NOT EXISTS rooms (id text PRIMARY KEY, last bigint NOT NULL DEFAULT 0);
    CREATE TABLE IF NOT EXISTS messages (room text NOT NULL REFERENCES rooms, seq bigint NOT NULL,
      body text NOT NULL, created_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (room, seq));
    INSERT INTO rooms (id) SELECT 'room-' || n FROM generate_series(0, 9999) n ON CONFLICT DO NOTHING`);
  await client.end();
}
await app.listen(0, '127.0.0.1');
ready(app.getHttpServer().address().port);
