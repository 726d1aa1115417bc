// The journey of two people through the public surface, with the stock Socket.IO client and plain HTTP.
//
// usage: node journey.mjs GATEWAY REALTIME[,REALTIME…] MESSAGES
// Prints `halfway` on a line of its own when half the messages are acknowledged, and one JSON object at the end.
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { io } from 'socket.io-client';

const [gateway, realtimeList, count] = process.argv.slice(2);
const realtime = realtimeList.split(',');
const total = Number(count);
const run = randomBytes(4).toString('hex');
const deadline = setTimeout(() => { console.error('the journey took longer than 150 s'); process.exit(1); }, 150_000);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function call(method, path, token, body, accept = [200, 201, 204]) {
  for (let attempt = 0; ; attempt++) {
    let response;
    try {
      response = await fetch(gateway + path, {
        method,
        headers: { ...(token && { authorization: `Bearer ${token}` }), ...(body && { 'content-type': 'application/json' }) },
        body: body && JSON.stringify(body),
        redirect: 'manual',
      });
    } catch (error) {
      if (attempt < 40) { await pause(250); continue; }
      throw error;
    }
    const text = await response.text();
    if ([429, 502, 503, 504].includes(response.status) && attempt < 40) { await pause(250); continue; }
    if (!accept.includes(response.status)) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return { status: response.status, headers: response.headers, body: text && text[0] === '{' ? JSON.parse(text) : text };
  }
}

async function register(name) {
  const email = `${name}-${run}@example.test`, handle = `${name}_${run}`, password = `${name} keeps a long password`;
  const user = (await call('POST', '/api/v1/auth/register', null, { email, handle, name, password })).body;
  return { ...user, email, handle, password };
}

// Authorization code with PKCE (RFC 7636), by the sign-in form as a browser posts it.
async function codeFlow(user) {
  const verifier = randomBytes(32).toString('base64url');
  const discovery = (await call('GET', '/.well-known/openid-configuration')).body;
  const redirect = `${gateway}/`;
  const query = new URLSearchParams({
    response_type: 'code', client_id: 'archgen-web', redirect_uri: redirect, state: run, scope: 'openid',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256',
  });
  const form = await fetch(`${gateway}/oauth2/authorize?${query}`);
  if (form.status !== 200) throw new Error(`authorize: ${form.status} ${await form.text()}`);
  query.set('email', user.email);
  query.set('password', user.password);
  const granted = await fetch(`${gateway}/oauth2/authorize`, { method: 'POST', body: query, redirect: 'manual' });
  if (![302, 303].includes(granted.status)) throw new Error(`authorize: ${granted.status} ${await granted.text()}`);
  const back = new URL(granted.headers.get('location'));
  if (back.searchParams.get('state') !== run) throw new Error('the state did not come back');
  const token = await fetch(`${gateway}/oauth2/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code', code: back.searchParams.get('code'), redirect_uri: redirect,
      client_id: 'archgen-web', code_verifier: verifier,
    }),
  });
  const answer = await token.json();
  if (token.status !== 200 || answer.token_type !== 'Bearer') throw new Error(`token: ${token.status} ${JSON.stringify(answer)}`);
  if (!discovery.issuer || !discovery.jwks_uri) throw new Error('the discovery document is not whole');
  return answer;
}

class Person {
  constructor(user, tokens, url, channel) {
    Object.assign(this, { user, channel, shown: [], acked: [], epoch: 0, seq: 0, repairing: false });
    this.socket = io(url, { auth: { token: tokens.access_token }, reconnectionDelay: 100, reconnectionDelayMax: 500 });
    this.socket.on('connect', () => this.catchUp());
    for (const name of ['msg:new', 'msg:edited', 'msg:deleted', 'member:added', 'member:removed']) {
      this.socket.on(name, (event) => this.take(event));
    }
    this.socket.on('gap', () => this.catchUp());
  }

  async ask(name, body) {
    return this.socket.timeout(4000).emitWithAck(name, body);
  }

  async catchUp() {
    if (this.repairing) return;
    this.repairing = true;
    try {
      for (;;) {
        const before = this.seq;
        const answer = await this.ask('sub', { ch: this.channel, epoch: this.epoch, seq: this.seq });
        if (!answer.ok) { await pause(200); continue; }
        for (const event of answer.missed) this.take(event);
        if (this.seq >= answer.head.seq || this.seq === before) break;
      }
    } catch { /* The connection broke: the next `connect` asks again. */ }
    this.repairing = false;
  }

  take(event) {
    if (event.ch !== this.channel || event.seq <= this.seq) return;
    if (event.seq !== this.seq + 1) { this.catchUp(); return; }
    this.seq = event.seq;
    this.epoch = event.epoch;
    if (event.type === 'message.created') this.shown.push([event.seq, event.id, event.client_msg_id]);
  }

  async send(body, client_msg_id = randomUUID()) {
    for (;;) {
      try {
        const answer = await this.ask('msg:send', { ch: this.channel, client_msg_id, body });
        if (answer.ok) { this.acked.push([answer.seq, answer.id, client_msg_id]); return answer; }
        if (answer.error.retry_after_ms === undefined) throw new Error(`refused: ${answer.error.code}`);
        await pause(Math.min(answer.error.retry_after_ms, 300));
      } catch (error) {
        if (String(error.message).startsWith('refused')) throw error;
        await pause(100);
      }
    }
  }
}

async function fileThereAndBack(token, channel, other) {
  const bytes = randomBytes(300_000);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const name = `plan-${run}.bin`;
  const intent = (await call('POST', '/api/v1/files', token, { name, size: bytes.length, channel })).body;
  const put = await fetch(intent.upload.url, { method: intent.upload.method, body: bytes });
  if (put.status !== 200) throw new Error(`upload: ${put.status} ${await put.text()}`);
  await call('POST', `/api/v1/files/${intent.id}/complete`, token, {});
  const back = await call('GET', `/api/v1/files/${intent.id}/content`, other, null, [302]);
  const downloaded = Buffer.from(await (await fetch(back.headers.get('location'))).arrayBuffer());
  return { id: intent.id, name, sha256, downloaded: createHash('sha256').update(downloaded).digest('hex') };
}

// Without a socket, from the same places: the log by long polls, then a message as it comes by the event stream.
async function withoutSocket(token, channel, send) {
  let positions = `${channel}:0:0`, dense = true, seq = 0;
  for (let more = true; more; ) {
    const answer = (await call('GET', `/api/v1/sync?positions=${positions}&wait_ms=0`, token)).body;
    for (const item of answer.items) dense &&= item.seq === ++seq;
    positions = answer.positions.map((at) => `${at.ch}:${at.epoch}:${at.seq}`).join(',');
    more = answer.more;
  }
  const response = await fetch(`${gateway}/api/v1/sync?positions=${positions}`, {
    headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream' },
  });
  if (response.status !== 200) throw new Error(`sync: ${response.status} ${await response.text()}`);
  const sent = await send();
  let streamed = '';
  for await (const chunk of response.body) {
    streamed += Buffer.from(chunk).toString();
    if (streamed.includes('\n\n') && streamed.includes('data: ')) break;
  }
  const [id] = streamed.match(/^id: .*$/m) || [], [data] = streamed.match(/^data: .*$/m) || [];
  const event = JSON.parse(data.slice(6));
  return { dense, entries: seq, live: event.id === sent.id, place: id === `id: ${channel}:${event.epoch}:${event.seq}` };
}

async function until(what, attempt) {
  for (let tries = 0; tries < 100; tries++) {
    const value = await attempt();
    if (value) return value;
    await pause(200);
  }
  throw new Error(`${what} did not come within 20 s`);
}

const [ada, bob, eve] = [await register('ada'), await register('bob'), await register('eve')];
const tokens = [];
for (const user of [ada, bob, eve]) tokens.push(await codeFlow(user));
const [adaToken, bobToken, eveToken] = tokens.map((t) => t.access_token);
const channel = (await call('POST', '/api/v1/channels', adaToken, { name: `harbour-${run}`, kind: 'private' })).body;
await call('PUT', `/api/v1/channels/${channel.id}/members/${bob.id}`, adaToken, {});
const people = [
  new Person(ada, tokens[0], realtime[0], channel.id),
  new Person(bob, tokens[1], realtime[realtime.length - 1], channel.id),
];
let sent = 0, acknowledged = 0, told = false;
async function talk(person, lane) {
  while (sent < total) {
    const number = sent++;
    await person.send(`lighthouse ${number} from lane ${lane}`);
    acknowledged++;
    if (!told && acknowledged >= total / 2) { told = true; console.log('halfway'); }
  }
}
await Promise.all(people.flatMap((person) => [0, 1, 2, 3].map((lane) => talk(person, lane))));
await until('every message on both devices', () => people.every((p) => p.shown.length === total));
const sync = await withoutSocket(bobToken, channel.id, () => people[0].send('by the event stream'));
const outsiderSync = (await call('GET', `/api/v1/sync?positions=${channel.id}&wait_ms=0`, eveToken, null, [403, 404])).status;
const mention = await people[0].send(`@${bob.handle} look at zanzibar${run}`);
const file = await fileThereAndBack(adaToken, channel.id, bobToken);
const query = `/api/v1/search?type=messages&q=zanzibar${run}`;
const found = await until('the search hit', async () => {
  const items = (await call('GET', query, bobToken)).body.items;
  return items.length && items;
});
const outsider = (await call('GET', query, eveToken)).body.items;
const outsiderHistory = (await call('GET', `/api/v1/channels/${channel.id}/messages`, eveToken, null, [403, 404])).status;
const outsiderFile = (await call('GET', `/api/v1/files/${file.id}/content`, eveToken, null, [403, 404])).status;
const inbox = await until('the mention in the inbox', async () => {
  const items = (await call('GET', '/api/v1/notifications', bobToken)).body.items;
  return items.find((item) => JSON.stringify(item).includes(mention.id));
});
// A token that this system signed for somebody else: the identity token is the client's, not the API's.
const foreign = tokens[0].id_token;
const foreignSocket = await new Promise((resolve) => {
  const socket = io(realtime[0], { auth: { token: foreign }, reconnection: false, forceNew: true });
  socket.on('connect', () => { socket.disconnect(); resolve('connected'); });
  socket.on('connect_error', (error) => resolve(error.message));
});
const foreignCall = (await call('GET', '/api/v1/me', foreign, null, [200, 401])).status;
for (const person of people) person.socket.disconnect();
clearTimeout(deadline);
const account = JSON.stringify({
  channel: channel.id,
  email: ada.email,
  password: ada.password,
  acked: people.flatMap((p) => p.acked),
  shown: people.map((p) => p.shown),
  mention: mention.id,
  inbox,
  file,
  found,
  outsider,
  outsiderHistory,
  outsiderFile,
  outsiderSync,
  foreign: { issued: !!foreign, socket: foreignSocket, call: foreignCall },
  sync,
});
// A pipe takes a large text in parts: leave only when the last one is through.
process.stdout.write(`${account}\n`, () => process.exit(0));
