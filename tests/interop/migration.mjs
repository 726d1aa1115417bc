// A steady load through the stock Socket.IO client while the fleet under it changes; then every log is read back and held against
// what was acknowledged.
//
// usage: node migration.mjs GATEWAY REALTIME CHANNELS
// Prints `ready` once messages flow, ends after a line on its standard input, and prints one JSON object.
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { io } from 'socket.io-client';

const [gateway, realtime, count] = process.argv.slice(2);
const run = randomBytes(4).toString('hex');
const LANES = 6, PAUSE_MS = 10, TEXT = 'x'.repeat(1_500);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function call(method, path, token, body) {
  for (let attempt = 0; ; attempt++) {
    let why;
    try {
      const response = await fetch(gateway + path, {
        method,
        headers: { ...(token && { authorization: `Bearer ${token}` }), ...(body && { 'content-type': 'application/json' }) },
        body: body && JSON.stringify(body),
      });
      const text = await response.text();
      if (response.ok) return text ? JSON.parse(text) : null;
      why = `${method} ${path}: ${response.status} ${text}`;
      if (![429, 500, 502, 503, 504].includes(response.status)) throw new Error(why);
    } catch (error) {
      if (String(error.message) === why) throw error;
      why ??= `${method} ${path}: ${error.message}`;
    }
    if (attempt === 80) throw new Error(why);
    await pause(250);
  }
}

// Authorization code with PKCE (RFC 7636).
async function signIn(email, password) {
  const verifier = randomBytes(32).toString('base64url'), redirect = `${gateway}/`;
  const query = new URLSearchParams({
    response_type: 'code', client_id: 'archgen-web', redirect_uri: redirect, state: run, scope: 'openid', email, password,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256',
  });
  const granted = await fetch(`${gateway}/oauth2/authorize`, { method: 'POST', body: query, redirect: 'manual' });
  const code = new URL(granted.headers.get('location')).searchParams.get('code');
  const form = { grant_type: 'authorization_code', code, redirect_uri: redirect, client_id: 'archgen-web', code_verifier: verifier };
  return (await (await fetch(`${gateway}/oauth2/token`, { method: 'POST', body: new URLSearchParams(form) })).json()).access_token;
}

const email = `ada-${run}@example.test`, password = 'ada keeps a long password';
await call('POST', '/api/v1/auth/register', null, { email, handle: `ada_${run}`, name: 'ada', password });
const token = await signIn(email, password);
const channels = [];
for (let number = 0; number < Number(count); number++) {
  channels.push((await call('POST', '/api/v1/channels', token, { name: `pier-${number}-${run}`, kind: 'private' })).id);
}
const socket = io(realtime, { auth: { token }, reconnectionDelay: 50, reconnectionDelayMax: 250 });
const acked = [], tookMs = [];
let stopping = false;

async function send(ch) {
  const client_msg_id = randomUUID(), begun = performance.now();
  for (;;) {
    let answer;
    // No answer is no verdict: the same message again.
    try { answer = await socket.timeout(3000).emitWithAck('msg:send', { ch, client_msg_id, body: `${client_msg_id} ${TEXT}` }); } catch { answer = null; }
    if (answer?.ok) {
      acked.push([ch, client_msg_id, answer.seq, answer.id]);
      tookMs.push(performance.now() - begun);
      return;
    }
    if (answer && answer.error.retry_after_ms === undefined) throw new Error(`refused: ${JSON.stringify(answer.error)}`);
    await pause(Math.min(answer?.error.retry_after_ms ?? 50, 200));
  }
}

async function lane(first) {
  for (let turn = first; !stopping; turn += LANES) {
    await send(channels[turn % channels.length]);
    await pause(PAUSE_MS);
  }
}
createInterface({ input: process.stdin }).once('line', () => { stopping = true; });
for (const channel of channels) await send(channel);
console.log('ready');
await Promise.all(Array.from({ length: LANES }, (_, first) => lane(first)));
socket.disconnect();

// The logs as they are now: each place once, and what stands there.
const logs = {};
for (const channel of channels) {
  const log = (logs[channel] = { dense: true, entries: 0, created: [] });
  for (let positions = `${channel}:0:0`, more = true; more; ) {
    const answer = await call('GET', `/api/v1/sync?positions=${positions}&wait_ms=0`, token);
    for (const item of answer.items) {
      log.dense &&= item.seq === ++log.entries;
      if (item.type === 'message.created') log.created.push([item.client_msg_id, item.seq, item.id]);
    }
    positions = answer.positions.map((at) => `${at.ch}:${at.epoch}:${at.seq}`).join(',');
    more = answer.more;
  }
}
tookMs.sort((a, b) => a - b);
const at = (share) => Math.round(tookMs[Math.min(tookMs.length - 1, Math.floor(tookMs.length * share))]);
const account = { acked, logs, ms: { p50: at(0.5), p99: at(0.99), max: at(1) } };
process.stdout.write(`${JSON.stringify(account)}\n`, () => process.exit(0));
