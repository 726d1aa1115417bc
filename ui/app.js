// The page: sign in, channels, live conversation, presence. It keeps a cursor (epoch, seq) per channel, shows each event once
// and in order, and sends each message under one client_msg_id until it is acknowledged.
'use strict';

const $ = (id) => document.getElementById(id);
const make = (tag, cls, text) => {
  const element = document.createElement(tag);
  if (cls) element.className = cls;
  if (text !== undefined) element.textContent = text;
  return element;
};
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

const HISTORY_MAX = 50, CHANNELS_MAX = 200, TYPING_MS = 4_000, SHOWN_MAX = 500;
const state = {
  config: { name: 'chat', realtime: [] }, session: null, me: null, socket: null,
  channels: new Map(), open: null, users: new Map(), presence: new Map(), outbox: new Map(), typing: new Map(),
};

// ---- calls ---------------------------------------------------------------------------------------------------------------

class Refused extends Error {
  constructor(status, problem) { super((problem && problem.title) || `status ${status}`); this.status = status; this.code = problem && problem.code; }
}

let calls = 0;
async function call(method, path, body, { bare = false } = {}) {
  while (calls >= 4) await pause(20);
  calls++;
  try {
    for (let attempt = 0; ; attempt++) {
      const headers = {};
      if (!bare) headers.authorization = `Bearer ${await token()}`;
      if (body !== undefined) headers['content-type'] = 'application/json';
      let response;
      try {
        response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
      } catch (error) {
        if (attempt >= 3 || method !== 'GET') throw new Refused(0, { title: 'The server cannot be reached.' });
        await pause(400 * (attempt + 1));
        continue;
      }
      const again = response.status === 429 || (response.status === 503 && method === 'GET');
      if (again && attempt < 4) { await pause(1_000 * (Number(response.headers.get('retry-after')) || 1)); continue; }
      const text = await response.text();
      let value;
      try { value = text ? JSON.parse(text) : null; } catch { value = null; }
      if (response.status === 401 && !bare) { leave('Please sign in again.'); }
      if (!response.ok) throw new Refused(response.status, value);
      return value;
    }
  } finally { calls--; }
}

// ---- session -------------------------------------------------------------------------------------------------------------

function keep(tokens) {
  state.session = {
    access: tokens.access_token, refresh: tokens.refresh_token || (state.session && state.session.refresh),
    until: Date.now() + tokens.expires_in * 1_000,
  };
  sessionStorage.setItem('session', JSON.stringify(state.session));
}

let refreshing = null;
async function token() {
  const session = state.session;
  if (!session) throw new Refused(401, { title: 'Please sign in.' });
  // A little early, so that no request arrives with a token that has just ended.
  if (Date.now() < session.until - 30_000) return session.access;
  refreshing = refreshing || refresh(session).finally(() => { refreshing = null; });
  await refreshing;
  return state.session ? state.session.access : '';
}

async function refresh(session) {
  const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: session.refresh, client_id: 'archgen-web' });
  const response = await fetch('/oauth2/token', { method: 'POST', body }).catch(() => null);
  if (response && response.ok) {
    keep(await response.json());
    if (state.socket && state.socket.connected) state.socket.ask('auth:refresh', { token: state.session.access }).catch(() => {});
  } else if (response && response.status >= 400 && response.status < 500 && response.status !== 429) {
    leave('Your session has ended.');
  }
}

function leave(why) {
  if (state.socket) state.socket.close();
  sessionStorage.removeItem('session');
  Object.assign(state, { session: null, socket: null, me: null, open: null });
  for (const map of [state.channels, state.users, state.presence, state.outbox, state.typing]) map.clear();
  $('room').hidden = true;
  $('door').hidden = false;
  $('door-error').textContent = why || '';
}

let registering = false;
$('sign-switch').onclick = () => {
  registering = !registering;
  $('register-fields').hidden = !registering;
  for (const input of $('register-fields').querySelectorAll('input')) input.required = registering;
  $('sign').password.autocomplete = registering ? 'new-password' : 'current-password';
  $('door-hint').textContent = registering ? 'Create an account.' : 'Sign in to go on.';
  $('sign-submit').textContent = registering ? 'Create account' : 'Sign in';
  $('sign-switch').textContent = registering ? 'Have an account? Sign in' : 'New here? Create an account';
  $('door-error').textContent = '';
};

$('sign').onsubmit = async (event) => {
  event.preventDefault();
  const form = event.target;
  const [email, password] = [form.email.value.trim(), form.password.value];
  $('sign-submit').disabled = true;
  $('door-error').textContent = '';
  try {
    if (registering) {
      const handle = form.handle.value.trim().replace(/^@/, '');
      await call('POST', '/api/v1/auth/register', { email, password, handle, name: form.elements.name.value.trim() }, { bare: true });
    }
    keep(await call('POST', '/api/v1/auth/login', { email, password, device: 'web page' }, { bare: true }));
    form.password.value = '';
    await enter();
  } catch (error) {
    $('door-error').textContent = sentence(error.message);
  } finally { $('sign-submit').disabled = false; }
};

$('sign-out').onclick = async () => {
  await call('POST', '/api/v1/auth/logout').catch(() => {});
  leave('');
};

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.');

let noticed;
function notice(text) {
  $('notice').textContent = sentence(text);
  $('notice').hidden = false;
  clearTimeout(noticed);
  noticed = setTimeout(() => { $('notice').hidden = true; }, 5_000);
}

async function enter() {
  state.me = await call('GET', '/api/v1/me');
  state.users.set(state.me.id, state.me);
  $('self').textContent = state.me.name || state.me.handle;
  $('door').hidden = true;
  $('room').hidden = false;
  await loadChannels();
  connect();
  await openLinked();
}

// ---- channels ------------------------------------------------------------------------------------------------------------

async function loadChannels() {
  let cursor = null;
  do {
    const page = await call('GET', '/api/v1/channels' + (cursor ? `?cursor=${encodeURIComponent(cursor)}` : ''));
    for (const item of page.items) keepChannel(item);
    cursor = page.next;
  } while (cursor && state.channels.size < CHANNELS_MAX);
  const unread = await call('GET', '/api/v1/me/unread').catch(() => ({ items: [] }));
  for (const item of unread.items) {
    const channel = state.channels.get(item.channel || item.ch || item.id);
    if (channel) Object.assign(channel, { unread: item.unread, mentions: item.mentions });
  }
  drawChannels();
  nameDirects();
}

function keepChannel(item) {
  const known = state.channels.get(item.id);
  if (known) { Object.assign(known, { name: item.name ?? known.name, kind: item.kind ?? known.kind }); return known; }
  const channel = {
    id: item.id, name: item.name, kind: item.kind, inside: item.member !== false && item.joined !== false,
    unread: 0, mentions: 0, thread: null, epoch: 0, seq: 0, subscribed: false, rows: [], byId: new Map(), loaded: false, members: [], catching: null, read: 0,
  };
  state.channels.set(item.id, channel);
  return channel;
}

const isDirect = (channel) => /dm$/.test(channel.kind);

// Direct messages are named after their people, so those must be known.
async function nameDirects() {
  const nameless = [...state.channels.values()].filter((c) => isDirect(c) && c.inside && !c.members.length);
  for (const channel of nameless.slice(0, 30)) {
    const page = await call('GET', `/api/v1/channels/${channel.id}/members`).catch(() => ({ items: [] }));
    channel.members = page.items;
    await Promise.all(channel.members.map((m) => knowUser(m.user)));
  }
  if (nameless.length) drawChannels();
}

function channelName(channel) {
  if (!isDirect(channel)) return channel.name || channel.id;
  const others = channel.members.filter((m) => m.user !== state.me.id).map((m) => userName(m.user));
  return others.length ? others.join(', ') : channel.name || 'direct message';
}

function drawChannels() {
  const lists = { channels: [], dms: [] };
  for (const channel of state.channels.values()) lists[isDirect(channel) ? 'dms' : 'channels'].push(channel);
  for (const [id, channels] of Object.entries(lists)) {
    channels.sort((a, b) => channelName(a).localeCompare(channelName(b)));
    $(id).replaceChildren(...channels.map((channel) => {
      const button = make('button', 'entry');
      button.type = 'button';
      const mark = make('span', '', isDirect(channel) ? '@' : channel.kind === 'private' ? '◆' : '#');
      button.append(mark, make('span', '', channelName(channel)));
      if (!channel.inside) button.classList.add('outside');
      const news = channel.mentions || channel.unread;
      if (channel.unread || channel.mentions) button.classList.add('unread');
      if (news) button.append(make('span', 'badge', (channel.mentions ? '@' : '') + (news > 99 ? '99+' : news)));
      if (channel === state.open) button.setAttribute('aria-current', 'true');
      button.onclick = () => openChannel(channel);
      const item = make('li');
      item.append(button);
      return item;
    }));
  }
  const unread = [...state.channels.values()].reduce((sum, c) => sum + c.unread, 0);
  document.title = (unread ? `(${unread}) ` : '') + state.config.name;
}

function drawTitle(channel) {
  if (channel.thread) {
    const back = make('button', 'quiet', '←');
    back.type = 'button';
    back.setAttribute('aria-label', 'Back to the channel');
    back.onclick = () => openThread(channel, null);
    $('title').replaceChildren(back, ' Thread');
    $('compose').body.placeholder = 'Reply';
    return;
  }
  $('title').textContent = (isDirect(channel) ? '' : channel.kind === 'private' ? '◆ ' : '# ') + channelName(channel);
  $('compose').body.placeholder = `Message ${channelName(channel)}`;
}

// Shows one thread in place of the whole channel; null goes back.
async function openThread(channel, root) {
  channel.thread = root;
  drawTitle(channel);
  draw(channel, true);
  if (!root) return;
  $('compose').body.focus();
  try {
    const page = await call('GET', `/api/v1/messages/${root.id}/thread?limit=200`);
    for (const message of page.items) keepRow(channel, message);
    sortRows(channel);
    nameAuthors(channel);
    draw(channel, true);
  } catch (error) { notice(error.message); }
}

const sortRows = (channel) => channel.rows.sort((a, b) => (a.seq ?? Infinity) - (b.seq ?? Infinity) || a.ts - b.ts);

// Takes a message as the API shows it.
function keepRow(channel, message) {
  if (channel.byId.has(message.id)) return;
  const row = { id: message.id, seq: message.seq, author: message.author, ts: message.ts, body: message.body, edited: !!message.edited,
    deleted: !!message.deleted, key: message.client_msg_id, thread: message.thread, broadcast: !!message.also_to_channel,
    reactions: message.reactions || {}, replies: message.replies, pinned: !!message.pinned };
  channel.byId.set(row.id, row);
  channel.rows.push(row);
}

async function openChannel(channel) {
  state.open = channel;
  channel.thread = null;
  $('room').classList.remove('menu');
  drawTitle(channel);
  $('join').hidden = channel.inside;
  $('compose').hidden = !channel.inside;
  $('invite').hidden = isDirect(channel);
  $('people').hidden = !channel.inside;
  $('typing').textContent = '';
  drawChannels();
  draw(channel, true);
  if (!channel.inside) return;
  $('compose').body.focus();
  try {
    await Promise.all([catchUp(channel), loadMembers(channel)]);
    if (!channel.loaded) await loadHistory(channel);
    markRead(channel);
  } catch (error) { notice(error.message); }
}

// What a permalink names, `#message/ID`: the message among its neighbours.
async function openLinked() {
  const [, id] = location.hash.match(/^#message\/(\d+)$/) || [];
  if (!id || !state.me) return;
  try {
    const message = await call('GET', `/api/v1/messages/${id}`);
    const channel = state.channels.get(message.channel) || keepChannel({ id: message.channel, ...await call('GET', `/api/v1/channels/${message.channel}`) });
    await openChannel(channel);
    const page = await call('GET', `/api/v1/channels/${channel.id}/messages?around=${message.seq}&limit=${HISTORY_MAX}`);
    for (const one of page.items) keepRow(channel, one);
    sortRows(channel);
    nameAuthors(channel);
    if (message.thread && !message.also_to_channel && channel.byId.get(message.thread)) await openThread(channel, channel.byId.get(message.thread));
    draw(channel);
    const shown = document.getElementById(`message-${id}`);
    if (shown) shown.scrollIntoView({ block: 'center' });
  } catch (error) { notice(error.message); }
}
addEventListener('hashchange', openLinked);

async function loadHistory(channel) {
  const before = channel.seq + 1;
  const page = await call('GET', `/api/v1/channels/${channel.id}/messages?before_seq=${before}&limit=${HISTORY_MAX}`);
  for (const message of page.items) keepRow(channel, message);
  sortRows(channel);
  channel.loaded = true;
  nameAuthors(channel);
  if (channel === state.open) draw(channel, true);
}

async function loadMembers(channel) {
  const page = await call('GET', `/api/v1/channels/${channel.id}/members`);
  channel.members = page.items;
  drawMembers(channel);
  await Promise.all(channel.members.slice(0, 100).map((m) => knowUser(m.user)));
  const users = channel.members.slice(0, 100).map((m) => m.user);
  const known = await call('POST', '/api/v1/presence/query', { users }).catch(() => ({ items: [] }));
  takePresence(known.items);
  if (state.socket) state.socket.ask('presence:watch', { users }).then((a) => a && takePresence(a.items || [])).catch(() => {});
  if (channel === state.open) { drawMembers(channel); drawChannels(); drawTitle(channel); }
}

$('add-channel').onclick = () => { $('new-channel').hidden = !$('new-channel').hidden; if (!$('new-channel').hidden) $('new-channel').elements.name.focus(); };
$('add-dm').onclick = () => { $('new-dm').hidden = !$('new-dm').hidden; if (!$('new-dm').hidden) $('new-dm').handle.focus(); };
$('menu').onclick = () => $('room').classList.toggle('menu');

$('new-channel').onsubmit = async (event) => {
  event.preventDefault();
  const form = event.target;
  try {
    const kind = form.private.checked ? 'private' : 'public';
    const channel = keepChannel(await call('POST', '/api/v1/channels', { name: form.elements.name.value.trim(), kind }));
    channel.inside = true;
    form.reset();
    form.hidden = true;
    await openChannel(channel);
  } catch (error) { notice(error.message); }
};

async function userOfHandle(text) {
  const handle = text.trim().replace(/^@/, '');
  const page = await call('GET', `/api/v1/users?prefix=${encodeURIComponent(handle)}`);
  const user = page.items.find((u) => u.handle.toLowerCase() === handle.toLowerCase());
  if (!user) throw new Error(`nobody has the handle @${handle}`);
  state.users.set(user.id, user);
  return user;
}

$('new-dm').onsubmit = async (event) => {
  event.preventDefault();
  const form = event.target;
  try {
    const user = await userOfHandle(form.handle.value);
    const channel = keepChannel({ kind: 'dm', ...await call('POST', '/api/v1/dms', { users: [user.id] }) });
    channel.inside = true;
    form.reset();
    form.hidden = true;
    await openChannel(channel);
  } catch (error) { notice(error.message); }
};

$('invite').onsubmit = async (event) => {
  event.preventDefault();
  const channel = state.open, form = event.target;
  try {
    const user = await userOfHandle(form.handle.value);
    await call('PUT', `/api/v1/channels/${channel.id}/members/${user.id}`, {});
    form.reset();
    await loadMembers(channel);
  } catch (error) { notice(error.message); }
};

$('join').onclick = async () => {
  const channel = state.open;
  try {
    await call('POST', `/api/v1/channels/${channel.id}/join`, {});
    channel.inside = true;
    await openChannel(channel);
  } catch (error) { notice(error.message); }
};

// ---- people --------------------------------------------------------------------------------------------------------------

function userName(id) {
  const user = state.users.get(id);
  return user ? user.name || user.handle : '…';
}

const asking = new Map();
function knowUser(id) {
  if (state.users.has(id)) return Promise.resolve();
  if (!asking.has(id)) {
    const asked = call('GET', `/api/v1/users/${id}`).then((user) => { state.users.set(id, user); }, () => {});
    asking.set(id, asked.finally(() => asking.delete(id)));
  }
  return asking.get(id);
}

async function nameAuthors(channel) {
  const strange = [...new Set(channel.rows.map((r) => r.author))].filter((id) => id && !state.users.has(id));
  if (!strange.length) return;
  await Promise.all(strange.map(knowUser));
  if (channel === state.open) draw(channel);
}

function takePresence(items) {
  for (const item of items) state.presence.set(item.user, item.status);
  if (state.open) drawMembers(state.open);
}

function drawMembers(channel) {
  if (channel !== state.open) return;
  const rank = { online: 0, away: 1 };
  const status = (m) => (m.user === state.me.id && state.socket && state.socket.connected ? 'online' : state.presence.get(m.user) || 'offline');
  const sorted = [...channel.members].sort((a, b) =>
    (rank[status(a)] ?? 2) - (rank[status(b)] ?? 2) || userName(a.user).localeCompare(userName(b.user)));
  $('members').replaceChildren(...sorted.map((member) => {
    const item = make('li', 'person');
    const dot = make('span', `dot ${status(member)}`);
    dot.title = status(member);
    const user = state.users.get(member.user);
    item.append(dot, make('span', '', userName(member.user)), make('small', '', user ? `@${user.handle}` : ''));
    return item;
  }));
}

// ---- the live connection -------------------------------------------------------------------------------------------------

function connect() {
  if (!state.config.realtime.length) { $('link').textContent = 'not live'; return; }
  $('link').textContent = 'connecting…';
  const socket = new Socket(state.config.realtime, token);
  state.socket = socket;
  socket.on('connect', async () => {
    $('link').textContent = 'live';
    for (const channel of state.channels.values()) channel.subscribed = false;
    for (const channel of [...state.channels.values()].filter((c) => c.inside)) {
      await catchUp(channel).catch(() => {});
    }
    for (const message of state.outbox.values()) deliver(message);
    if (state.open && state.open.inside) loadMembers(state.open).catch(() => {});
  });
  socket.on('disconnect', () => { $('link').textContent = 'reconnecting…'; for (const c of state.channels.values()) c.subscribed = false; });
  socket.on('refused', () => { if (state.session) state.session.until = 0; });
  // Whatever has a place in a channel's log is an entry, known by name or not.
  socket.on('*', (event) => { if (event && event.epoch !== undefined && event.seq !== undefined) arrive(event); });
  socket.on('chan:joined', () => loadChannels().catch(() => {}));
  socket.on('chan:left', ({ ch }) => { const channel = state.channels.get(ch); if (channel) { channel.inside = false; drawChannels(); if (channel === state.open) openChannel(channel); } });
  socket.on('read:self', ({ ch, seq }) => {
    const channel = state.channels.get(ch);
    if (channel && seq >= channel.seq) { Object.assign(channel, { unread: 0, mentions: 0, read: seq }); drawChannels(); }
  });
  socket.on('msg:ephemeral', ({ ch, author, ts, body }) => {
    const channel = state.channels.get(ch);
    if (!channel) return;
    channel.rows.push({ author, ts, body, ephemeral: true });
    nameAuthors(channel);
    draw(channel);
  });
  socket.on('gap', (gap) => { const channel = state.channels.get(gap.ch); if (channel) { channel.subscribed = false; catchUp(channel).catch(() => {}); } });
  socket.on('typing', (typing) => showTyping(typing));
  socket.on('presence', (news) => takePresence(Array.isArray(news) ? news : news.items || [news]));
  socket.on('notif', (news) => { const item = (news && news.item) || news; if (item && item.channel && !state.channels.has(item.channel)) loadChannels().catch(() => {}); });
  socket.on('drain', ({ after_ms }) => setTimeout(() => { if (state.socket === socket && socket.ws) socket.drop(); }, after_ms || 0));
  socket.on('kick', ({ reason }) => { if (reason === 'revoked') leave('Your session was ended.'); });
}

// Subscribes, or comes back to where the cursor stands, and takes what was missed.
function catchUp(channel) {
  if (!state.socket || !state.socket.connected) return Promise.resolve();
  if (!channel.catching) channel.catching = follow(channel).finally(() => { channel.catching = null; });
  return channel.catching;
}

async function follow(channel) {
  for (let turn = 0; turn < 20 && !channel.subscribed; turn++) {
    const before = channel.seq;
    // Without a cursor the subscription begins now; what was before comes from history.
    const place = channel.seq ? { epoch: channel.epoch, seq: channel.seq } : {};
    const answer = await state.socket.ask('sub', { ch: channel.id, ...place });
    if (!answer.ok) {
      if (answer.error && answer.error.retry_after_ms !== undefined) { await pause(answer.error.retry_after_ms); continue; }
      channel.inside = channel.kind === 'public' ? false : channel.inside;
      return;
    }
    if (!before) {
      channel.epoch = answer.head.epoch;
      channel.seq = answer.head.seq;
      channel.loaded = false;
    } else {
      for (const event of answer.missed || []) show(channel, event);
    }
    channel.subscribed = channel.seq >= answer.head.seq || channel.seq === before;
  }
}

function arrive(event) {
  const channel = state.channels.get(event.ch);
  if (!channel) {
    if (event.type === 'membership.added' && event.data && event.data.user === state.me.id) loadChannels().catch(() => {});
    return;
  }
  if (event.seq <= channel.seq) return;
  if (event.seq !== channel.seq + 1) { channel.subscribed = false; catchUp(channel).catch(() => {}); return; }
  show(channel, event);
}

// Takes the next event of a channel's log.
function show(channel, event) {
  if (event.seq <= channel.seq) return;
  channel.seq = event.seq;
  channel.epoch = event.epoch;
  const data = event.data || event;
  if (event.type === 'message.created') {
    const own = channel.rows.find((r) => r.key && r.key === event.client_msg_id && r.author === event.author);
    const row = own || { author: event.author };
    Object.assign(row, { id: event.id, seq: event.seq, ts: event.ts, body: data.body ?? '', deleted: !!data.deleted, key: event.client_msg_id, pending: false, failed: false,
      thread: data.thread, broadcast: !!data.also_to_channel, reactions: data.reactions || {}, replies: data.replies, pinned: !!data.pinned });
    if (!own) channel.rows.push(row);
    channel.byId.set(row.id, row);
    sortRows(channel);
    const root = data.thread && channel.byId.get(data.thread);
    // What came while the root was shown already counts; an older reply is in the root's own number.
    if (root && !own && event.ts > ((root.replies && root.replies.last_ts) || 0)) {
      root.replies = { count: ((root.replies && root.replies.count) || 0) + 1, last_ts: event.ts };
    }
    state.outbox.delete(event.client_msg_id);
    stopTyping(channel, event.author);
    if (event.author !== state.me.id && (channel !== state.open || document.hidden)) {
      if (!data.thread || data.also_to_channel) channel.unread++;
      if (data.everyone || (data.mentions || []).includes(state.me.id)) channel.mentions++;
    }
  } else if (event.type === 'message.edited') {
    const row = channel.byId.get(data.id);
    if (row) Object.assign(row, { body: data.body, edited: true });
  } else if (event.type === 'message.deleted') {
    const row = channel.byId.get(data.id);
    if (row) Object.assign(row, { body: '', deleted: true, reactions: {}, replies: null });
  } else if (event.type === 'reaction.set') {
    const row = channel.byId.get(data.id);
    if (row) {
      const users = new Set((row.reactions && row.reactions[data.emoji]) || []);
      if (data.on) users.add(event.author); else users.delete(event.author);
      row.reactions = { ...row.reactions, [data.emoji]: [...users] };
    }
  } else if (event.type === 'pin.set') {
    const row = channel.byId.get(data.id);
    if (row) row.pinned = data.on;
  } else if (event.type === 'channel.updated') {
    Object.assign(channel, data);
    if (channel === state.open) drawTitle(channel);
  } else if (event.type === 'membership.added' || event.type === 'membership.removed') {
    const gone = event.type === 'membership.removed';
    channel.members = channel.members.filter((m) => m.user !== data.user);
    if (!gone) channel.members.push({ user: data.user, role: data.role });
    if (gone && data.user === state.me.id) channel.inside = false;
    knowUser(data.user).then(() => drawMembers(channel));
  }
  // Old rows go; they come back from history.
  if (channel.rows.length > SHOWN_MAX) for (const row of channel.rows.splice(0, channel.rows.length - SHOWN_MAX)) channel.byId.delete(row.id);
  nameAuthors(channel);
  drawChannels();
  if (channel === state.open) { draw(channel); markRead(channel); }
}

function markRead(channel) {
  if (document.hidden || channel !== state.open || !channel.inside || channel.seq <= channel.read) { return; }
  channel.read = channel.seq;
  Object.assign(channel, { unread: 0, mentions: 0 });
  drawChannels();
  const seq = channel.seq;
  if (state.socket && state.socket.connected) state.socket.ask('read', { ch: channel.id, seq }).catch(() => {});
  else call('POST', `/api/v1/channels/${channel.id}/read`, { seq }).catch(() => {});
}
document.addEventListener('visibilitychange', () => {
  if (state.open) markRead(state.open);
  if (state.socket) state.socket.emit('presence:set', { status: document.hidden ? 'away' : 'online' });
});

// ---- sending -------------------------------------------------------------------------------------------------------------

$('compose').onsubmit = (event) => {
  event.preventDefault();
  const body = event.target.body.value.trim(), channel = state.open;
  if (!body || !channel) return;
  event.target.body.value = '';
  typed = 0;
  grow();
  const key = crypto.randomUUID ? crypto.randomUUID() : Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('');
  const thread = channel.thread ? channel.thread.id : null;
  const row = { author: state.me.id, ts: Date.now(), body, key, pending: true, thread };
  channel.rows.push(row);
  const message = { channel, row, body, key, thread };
  state.outbox.set(key, message);
  draw(channel, true);
  deliver(message);
};

// Sends one message until it is acknowledged or refused; the same key makes every repetition harmless.
async function deliver(message) {
  if (message.going) return;
  message.going = true;
  try {
    while (state.outbox.has(message.key) && state.socket && state.socket.connected) {
      try {
        const answer = await state.socket.ask('msg:send', { ch: message.channel.id, client_msg_id: message.key, body: message.body, thread: message.thread });
        if (answer.ok) {
          Object.assign(message.row, { id: answer.id, seq: answer.seq, ts: answer.ts ?? message.row.ts, pending: false });
          message.channel.byId.set(answer.id, message.row);
          state.outbox.delete(message.key);
        } else if (answer.error && answer.error.retry_after_ms !== undefined) {
          await pause(Math.max(100, answer.error.retry_after_ms));
          continue;
        } else {
          Object.assign(message.row, { pending: false, failed: true });
          state.outbox.delete(message.key);
          notice(`not sent: ${(answer.error && answer.error.code) || 'refused'}`);
        }
        if (message.channel === state.open) draw(message.channel);
      } catch { await pause(300); }
    }
  } finally { message.going = false; }
}

const input = $('compose').body;
function grow() { input.style.height = 'auto'; input.style.height = `${Math.min(input.scrollHeight, 160)}px`; }
input.onkeydown = (event) => {
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) { event.preventDefault(); $('compose').requestSubmit(); }
};
let typed = 0;
input.oninput = () => {
  grow();
  if (state.open && state.socket && Date.now() - typed > TYPING_MS / 2) { typed = Date.now(); state.socket.emit('typing', { ch: state.open.id }); }
};

function showTyping({ ch, user }) {
  if (user === state.me.id) return;
  const key = `${ch} ${user}`;
  clearTimeout(state.typing.get(key));
  state.typing.set(key, setTimeout(() => { state.typing.delete(key); drawTyping(); }, TYPING_MS));
  knowUser(user).then(drawTyping);
}

function stopTyping(channel, user) {
  const key = `${channel.id} ${user}`;
  clearTimeout(state.typing.get(key));
  if (state.typing.delete(key)) drawTyping();
}

function drawTyping() {
  const names = [...state.typing.keys()].map((k) => k.split(' ')).filter(([ch]) => state.open && ch === state.open.id).map(([, u]) => userName(u));
  $('typing').textContent = !names.length ? '' : names.length > 3 ? 'Several people are typing…'
    : `${names.join(', ')} ${names.length > 1 ? 'are' : 'is'} typing…`;
}

// ---- drawing -------------------------------------------------------------------------------------------------------------

function colour(id) {
  let sum = 0;
  for (const c of id) sum = (sum * 33 + c.charCodeAt(0)) % 1_000_003;
  return `hsl(${(sum * 137) % 360} 45% 45%)`;
}

const sameDay = (a, b) => new Date(a).toDateString() === new Date(b).toDateString();

function draw(channel, down) {
  if (channel !== state.open) return;
  const scroll = $('scroll');
  const atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 60;
  let last = null;
  const rows = [];
  const { thread } = channel;
  const inView = (row) => (thread ? row === thread || row.thread === thread.id : !row.thread || row.broadcast);
  for (const row of channel.rows.filter(inView)) {
    if (!last || !sameDay(last.ts, row.ts)) {
      rows.push(make('li', 'notehere', new Date(row.ts).toLocaleDateString(undefined, { weekday: 'long', day: 'numeric', month: 'long' })));
      last = null;
    }
    rows.push(drawRow(row, !last || last.author !== row.author || row.ts - last.ts > 300_000));
    last = row;
  }
  if (!channel.inside) rows.push(make('li', 'notehere', 'You are not in this channel.'));
  else if (channel.loaded && !channel.rows.length) rows.push(make('li', 'notehere', 'Nothing here yet. Say something.'));
  $('messages').replaceChildren(...rows);
  if (down || atEnd) scroll.scrollTop = scroll.scrollHeight;
}

function drawRow(row, first) {
  const item = make('li', 'message');
  item.classList.toggle('first', first);
  for (const mark of ['pending', 'failed', 'deleted']) item.classList.toggle(mark, !!row[mark]);
  const face = make('span', 'face', userName(row.author).charAt(0).toUpperCase());
  face.style.backgroundColor = colour(row.author);
  face.setAttribute('aria-hidden', 'true');
  const head = make('span', 'head');
  const time = make('time', '', new Date(row.ts).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' }));
  time.dateTime = new Date(row.ts).toISOString();
  const place = make('a');
  if (row.id && !row.ephemeral) {
    place.href = `#message/${row.id}`;
    item.id = `message-${row.id}`;
    item.classList.toggle('linked', location.hash === place.hash);
  }
  place.append(time);
  head.append(make('strong', '', userName(row.author)), place);
  const text = make('span', 'text');
  if (row.deleted) text.textContent = 'message deleted';
  else for (const part of (row.body || '').split(/(@[A-Za-z0-9_.-]+)/)) text.append(/^@./.test(part) ? make('span', 'mention', part) : part);
  if (row.edited && !row.deleted) text.append(make('span', 'edited', ' (edited)'));
  item.append(face, head, text);
  if (row.ephemeral) text.append(make('span', 'edited', ' (only you see this)'));
  if (row.id && !row.deleted && state.open.inside) item.append(drawMarks(row), drawActions(row));
  return item;
}

const act = (name, body) => state.socket.ask(name, body).then((answer) => {
  if (!answer.ok) notice((answer.error && (answer.error.title || answer.error.code)) || 'that did not work');
}, () => notice('not connected'));

const button = (text, label, onclick) => {
  const made = make('button', 'mark', text);
  made.type = 'button';
  made.title = label;
  made.setAttribute('aria-label', label);
  made.onclick = onclick;
  return made;
};

// Reactions, pin and replies below a message.
function drawMarks(row) {
  const marks = make('span', 'marks');
  if (row.pinned) marks.append(make('span', 'edited', '📌 pinned'));
  for (const [emoji, users] of Object.entries(row.reactions || {})) {
    if (!users.length) continue;
    const mine = users.includes(state.me.id);
    const one = button(`${emoji} ${users.length}`, users.map(userName).join(', '), () => act('react', { id: row.id, emoji, on: !mine }));
    one.setAttribute('aria-pressed', String(mine));
    marks.append(one);
  }
  const channel = state.open;
  if (row.replies && row.replies.count && !channel.thread) {
    marks.append(button(`${row.replies.count} ${row.replies.count > 1 ? 'replies' : 'reply'}`, 'Open the thread', () => openThread(channel, row)));
  }
  if (row.thread && !channel.thread) marks.append(make('span', 'edited', 'from a thread'));
  return marks;
}

// What can be done with a message; shown while it is pointed at or has the focus.
function drawActions(row) {
  const actions = make('span', 'actions');
  const channel = state.open;
  for (const emoji of ['👍', '🎉', '👀']) actions.append(button(emoji, `React with ${emoji}`, () => act('react', { id: row.id, emoji })));
  if (!channel.thread && !row.thread) actions.append(button('↩', 'Reply in a thread', () => openThread(channel, row)));
  actions.append(button('📌', row.pinned ? 'Unpin' : 'Pin', () => act('pin', { id: row.id, on: !row.pinned })));
  if (row.author === state.me.id) {
    actions.append(button('✎', 'Edit', () => {
      const body = prompt('Edit the message', row.body);
      if (body !== null && body.trim() && body !== row.body) act('msg:edit', { id: row.id, body: body.trim() });
    }), button('🗑', 'Delete', () => { if (confirm('Delete this message?')) act('msg:delete', { id: row.id }); }));
  }
  return actions;
}

// ---- start ---------------------------------------------------------------------------------------------------------------

(async () => {
  state.config = await fetch('/config.json').then((r) => r.json()).catch(() => state.config);
  document.title = $('system').textContent = $('door-name').textContent = state.config.name;
  try { state.session = JSON.parse(sessionStorage.getItem('session')); } catch { state.session = null; }
  if (!state.session) { leave(''); return; }
  try { await enter(); } catch (error) { leave(error.status === 401 ? '' : error.message); }
})();
