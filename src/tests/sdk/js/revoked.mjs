// A revoked session's connections end within a second, for good; the person's other session stays.
import { answers, assert, chat, connected, eventually, fixture, rest, run, subscribed } from './common.mjs';

run(async () => {
  const { ada, other } = fixture.people; // two sessions of one person
  const doomed = await connected(ada);
  await subscribed(doomed, chat());
  const staying = await connected(other);
  const began = Date.now();
  await rest(ada, 'DELETE', '/api/v1/auth/sessions/current');
  await eventually('disconnected', () => doomed.state === 'disconnected', 3000);
  const took = Date.now() - began;
  const { code } = doomed.log.find((e) => e.event === 'disconnected');
  assert.ok(code >= 3500 && code < 4000, `final: ${code}`);
  assert.ok(took < 2000, `within a second of the answer, not ${took} ms`);
  await answers(staying, other);
});
