// Browsers and their push service in one: gives out subscriptions, takes messages, and prints each as it
// arrived, decrypted by `http_ece` (another implementation of RFC 8188 and 8291 than the server's) and with
// its signature verified by Node's own cryptography. One JSON object a line.
//
// `POST /<what>/<n>`: the browser n's endpoint; `ok` takes, `gone` answers 410, `busy` answers 429 once,
// `broken` answers 500 once, `refuses` answers 400.
import { createECDH, createPublicKey, randomBytes, verify } from 'node:crypto';
import { createServer } from 'node:http';
import ece from 'http_ece';

const BROWSERS = 8;
const said = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const browsers = Array.from({ length: BROWSERS }, () => {
  const ecdh = createECDH('prime256v1');
  ecdh.generateKeys();
  return { ecdh, auth: randomBytes(16) };
});
const asked = new Set();

/** The claims of `Authorization: vapid t=…, k=…`, if the token is signed by the key. */
function claims(header) {
  const [, token, key] = /^vapid t=([^,]+), k=(.+)$/.exec(header) ?? [];
  const point = Buffer.from(key, 'base64url');
  const jwk = { kty: 'EC', crv: 'P-256', x: point.subarray(1, 33).toString('base64url'), y: point.subarray(33).toString('base64url') };
  const [head, body, signature] = token.split('.');
  const good = verify('sha256', Buffer.from(`${head}.${body}`),
    { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url'));
  if (!good) throw new Error('the signature is not by the key');
  return { key, head: JSON.parse(Buffer.from(head, 'base64url')), ...JSON.parse(Buffer.from(body, 'base64url')) };
}

const server = createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const [, what, n] = request.url.split('/');
    const answer = (status, headers = {}) => response.writeHead(status, headers).end();
    try {
      const { ecdh, auth } = browsers[Number(n)];
      const text = ece.decrypt(Buffer.concat(chunks), { version: 'aes128gcm', privateKey: ecdh, authSecret: auth });
      const { ttl, topic, urgency, 'content-encoding': encoding } = request.headers;
      const first = !asked.has(request.url) && asked.add(request.url);
      const status = { gone: 410, refuses: 400, busy: first ? 429 : 201, broken: first ? 500 : 201 }[what] ?? 201;
      said({ what, n: Number(n), status, message: JSON.parse(text), ttl, topic, urgency, encoding, vapid: claims(request.headers.authorization) });
      answer(status, status === 429 ? { 'retry-after': '90' } : {});
    } catch (error) {
      said({ what, n: Number(n), error: String(error) });
      answer(500);
    }
  });
});
server.listen(0, '127.0.0.1', () => said({
  base: `http://127.0.0.1:${server.address().port}`,
  browsers: browsers.map(({ ecdh, auth }) => ({ p256dh: ecdh.getPublicKey('base64url'), auth: auth.toString('base64url') })),
}));
// Ends with whoever started it.
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
