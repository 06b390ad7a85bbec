// Three endpoints of Gigsy as a NestJS application over `pg` would have them: list gigs, read a gig, apply.
// A bearer token is looked up in the sessions; an application is one transaction with its idempotency
// key, the gig's counter and an outbox row.
import 'reflect-metadata';
import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import { HttpException, Module, Controller, Get, Post, Param, Query, Body, Headers } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import pg from 'pg';
import { ready } from './common.mjs';

const pool = new pg.Pool({ connectionString: process.env.PG, max: 10 });
const hash = (text) => createHash('sha256').update(text).digest();

async function signedIn(authorization) {
  const token = authorization?.startsWith('Bearer ') ? authorization.slice(7) : '';
  const found = await pool.query({
    name: 'session',
    text: `SELECT u.id, u.name FROM sessions s JOIN users u ON u.id = s.user_id
           WHERE s.token = $1 AND s.expires_at > now()`,
    values: [hash(token)],
  });
  if (found.rowCount === 0) throw new HttpException({ title: 'who?', status: 401 }, 401);
  return found.rows[0];
}

const GIG = `g.id, g.owner_id, g.title, g.description, g.skills, g.budget_minor, g.currency, g.slots, g.accepted,
  g.applications_count, g.deadline, g.questions, g.attachments, g.state, g.version, g.created_at, g.updated_at,
  g.posted_at`;

const view = (gig, who) => ({
  ...gig,
  budget: { amount_minor: Number(gig.budget_minor), currency: gig.currency },
  allowed_transitions: gig.owner_id === who.id ? ['close', 'cancel'] : [],
});

class Gigs {
  async list(authorization, limit, skill) {
    const who = await signedIn(authorization);
    const most = Math.min(Number(limit ?? 20), 100);
    const found = await pool.query({
      name: 'list',
      text: `SELECT ${GIG} FROM gigs g WHERE g.state = 'open' AND ($1::text IS NULL OR $1 = ANY (g.skills))
             ORDER BY g.posted_at DESC, g.id DESC LIMIT $2`,
      values: [skill ?? null, most + 1],
    });
    const items = found.rows.slice(0, most).map((gig) => view(gig, who));
    const last = found.rowCount > most ? items.at(-1) : null;
    return { items, next_cursor: last && Buffer.from(`${last.posted_at.toISOString()} ${last.id}`).toString('base64url') };
  }

  async get(authorization, id) {
    const who = await signedIn(authorization);
    const found = await pool.query({ name: 'get', text: `SELECT ${GIG} FROM gigs g WHERE g.id = $1`, values: [id] });
    if (found.rowCount === 0) throw new HttpException({ title: 'no such gig', status: 404 }, 404);
    return view(found.rows[0], who);
  }

  async apply(authorization, key, id, form) {
    const who = await signedIn(authorization);
    const proposal = form?.proposal;
    if (typeof proposal !== 'string' || proposal.length < 1 || proposal.length > 5000) {
      throw new HttpException({ title: 'proposal', status: 422 }, 422);
    }
    const client = await pool.connect();
    try {
      await client.query('BEGIN');
      if (key) {
        await client.query({ name: 'key', text: 'INSERT INTO idempotency (user_id, key) VALUES ($1, $2)', values: [who.id, key] });
      }
      const gig = await client.query({
        name: 'count',
        text: `UPDATE gigs SET applications_count = applications_count + 1, version = version + 1, updated_at = now()
               WHERE id = $1 AND state = 'open' RETURNING owner_id`,
        values: [id],
      });
      if (gig.rowCount === 0) throw new HttpException({ title: 'no such gig', status: 404 }, 404);
      const made = await client.query({
        name: 'apply',
        text: `INSERT INTO applications (gig_id, applicant_id, proposal) VALUES ($1, $2, $3)
               RETURNING id, gig_id, applicant_id, proposal, state, version, created_at`,
        values: [id, who.id, proposal],
      });
      await client.query({
        name: 'outbox',
        text: `INSERT INTO outbox (subject, payload) VALUES ('gigs.application.submitted', $1)`,
        values: [JSON.stringify({ application: made.rows[0].id, gig: id, owner: gig.rows[0].owner_id })],
      });
      await client.query('COMMIT');
      return made.rows[0];
    } catch (error) {
      await client.query('ROLLBACK');
      throw error;
    } finally {
      client.release();
    }
  }
}
const proto = Gigs.prototype;
const describe = (name) => Object.getOwnPropertyDescriptor(proto, name);
Headers('authorization')(proto, 'list', 0);
Query('limit')(proto, 'list', 1);
Query('skill')(proto, 'list', 2);
Get()(proto, 'list', describe('list'));
Headers('authorization')(proto, 'get', 0);
Param('id')(proto, 'get', 1);
Get(':id')(proto, 'get', describe('get'));
Headers('authorization')(proto, 'apply', 0);
Headers('idempotency-key')(proto, 'apply', 1);
Param('id')(proto, 'apply', 2);
Body()(proto, 'apply', 3);
Post(':id/applications')(proto, 'apply', describe('apply'));
Controller('gigs')(Gigs);

class App {}
Module({ controllers: [Gigs] })(App);

await pool.query(`CREATE TABLE IF NOT EXISTS users (id uuid PRIMARY KEY, name text NOT NULL);
  CREATE TABLE IF NOT EXISTS sessions (token bytea PRIMARY KEY, user_id uuid NOT NULL REFERENCES users,
    expires_at timestamptz NOT NULL);
  CREATE TABLE IF NOT EXISTS gigs (id uuid PRIMARY KEY, owner_id uuid NOT NULL REFERENCES users, title text NOT NULL,
    description text NOT NULL, skills text[] NOT NULL, budget_minor bigint NOT NULL, currency text NOT NULL,
    slots int NOT NULL DEFAULT 1, accepted int NOT NULL DEFAULT 0, applications_count int NOT NULL DEFAULT 0,
    deadline timestamptz, questions jsonb NOT NULL DEFAULT '[]', attachments jsonb NOT NULL DEFAULT '[]',
    state text NOT NULL DEFAULT 'open', version bigint NOT NULL DEFAULT 1, created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(), posted_at timestamptz NOT NULL DEFAULT now());
  CREATE INDEX IF NOT EXISTS gigs_open ON gigs (posted_at DESC, id DESC) WHERE state = 'open';
  CREATE TABLE IF NOT EXISTS applications (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), gig_id uuid NOT NULL REFERENCES gigs,
    applicant_id uuid NOT NULL REFERENCES users, proposal text NOT NULL, state text NOT NULL DEFAULT 'submitted',
    version bigint NOT NULL DEFAULT 1, created_at timestamptz NOT NULL DEFAULT now(), UNIQUE (gig_id, applicant_id));
  CREATE TABLE IF NOT EXISTS idempotency (user_id uuid NOT NULL, key text NOT NULL, at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, key));
  CREATE TABLE IF NOT EXISTS outbox (id bigserial PRIMARY KEY, subject text NOT NULL, payload jsonb NOT NULL)`);

// The harness asks on standard input for gigs to apply to, and is told their ids.
const owner = '00000000-0000-4000-8000-000000000001';
const student = '00000000-0000-4000-8000-000000000002';
await pool.query(`INSERT INTO users VALUES ('${owner}', 'Client'), ('${student}', 'Student') ON CONFLICT DO NOTHING`);
await pool.query('INSERT INTO sessions VALUES ($1, $2, now() + interval \'1 day\') ON CONFLICT DO NOTHING', [hash('student'), student]);
createInterface(process.stdin).on('line', async (line) => {
  const count = Number(line);
  const made = await pool.query(
    `INSERT INTO gigs (id, owner_id, title, description, skills, budget_minor, currency)
     SELECT gen_random_uuid(), $1, 'A poster for the summer fair, number ' || n,
       'A2, bold, readable from across the street. Texts and dates are there.',
       ARRAY['graphic-design', 'illustration'], 25000, 'EUR' FROM generate_series(1, $2::int) n RETURNING id`,
    [owner, count],
  );
  console.log(JSON.stringify(made.rows.map((gig) => gig.id)));
});

const app = await NestFactory.create(App, { logger: ['error'] });
await app.listen(0, '127.0.0.1');
ready(app.getHttpServer().address().port);
