// A Socket.IO v5 client in one file: WebSocket transport, namespace `/`, text events and acknowledgements. It owns the
// connection, its heartbeat and its return; what the events mean is the page's matter.
'use strict';

class Socket {
  // `urls`: base URLs, tried in turn. `token`: gives the access token for each connection.
  constructor(urls, token) {
    this.urls = urls;
    this.token = token;
    this.turn = Math.floor(Math.random() * urls.length);
    this.handlers = new Map();
    this.waiting = new Map();
    this.nextAck = 0;
    this.failures = 0;
    this.connected = false;
    this.closed = false;
    this.open();
  }

  on(name, handler) { this.handlers.set(name, handler); return this; }

  tell(name, ...values) {
    const handler = this.handlers.get(name) ?? this.handlers.get('*');
    if (handler) handler(...values);
  }

  open() {
    clearTimeout(this.returning);
    if (this.closed) return;
    const base = this.urls[this.turn % this.urls.length].replace(/^http/, 'ws');
    const ws = new WebSocket(`${base}/socket.io/?EIO=4&transport=websocket`);
    this.ws = ws;
    this.expect(10_000);
    ws.onmessage = (event) => { if (ws === this.ws && typeof event.data === 'string') this.take(event.data); };
    ws.onclose = () => { if (ws === this.ws) this.lost(); };
  }

  // Closes a connection on which nothing came for this long.
  expect(ms) {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.drop(), ms);
  }

  drop() {
    const ws = this.ws;
    this.lost();
    try { ws.close(); } catch { /* It was closing. */ }
  }

  lost() {
    clearTimeout(this.silence);
    const was = this.connected;
    this.connected = false;
    this.ws = null;
    for (const wait of this.waiting.values()) wait.no(new Error('the connection broke'));
    this.waiting.clear();
    if (was) this.tell('disconnect');
    if (this.closed) return;
    this.turn++;
    const most = Math.min(500 * 2 ** this.failures++, 10_000);
    this.returning = setTimeout(() => this.open(), most / 2 + Math.random() * most / 2);
  }

  async take(text) {
    const body = text.slice(1);
    switch (text[0]) {
      case '0': {
        const hello = JSON.parse(body);
        this.patience = hello.pingInterval + hello.pingTimeout;
        this.expect(this.patience);
        const ws = this.ws;
        const token = await this.token();
        if (ws === this.ws && ws) ws.send('40' + JSON.stringify({ token }));
        break;
      }
      case '1': this.drop(); break;
      case '2': this.expect(this.patience); this.ws.send('3' + body); break;
      case '4': this.packet(body); break;
      default: break;
    }
  }

  packet(text) {
    const kind = text[0];
    const [, id, rest] = /^(\d*)(.*)$/s.exec(text.slice(1));
    const value = rest ? JSON.parse(rest) : undefined;
    if (kind === '0') {
      this.connected = true;
      this.failures = 0;
      this.tell('connect');
    } else if (kind === '1') {
      this.drop();
    } else if (kind === '2') {
      const [name, ...values] = value;
      this.tell(name, ...values);
      if (id) this.ws.send(`43${id}[]`);
    } else if (kind === '3') {
      const wait = this.waiting.get(Number(id));
      this.waiting.delete(Number(id));
      if (wait) wait.yes(value[0]);
    } else if (kind === '4') {
      this.tell('refused', value);
      this.drop();
    }
  }

  // Sends without asking for an answer; lost where there is no connection.
  emit(name, value) {
    if (this.connected) this.ws.send('42' + JSON.stringify([name, value]));
  }

  // Sends and gives the acknowledgement; fails after `ms` or when the connection breaks.
  ask(name, value, ms = 8_000) {
    return new Promise((yes, no) => {
      if (!this.connected) { no(new Error('not connected')); return; }
      const id = this.nextAck++;
      const late = setTimeout(() => { this.waiting.delete(id); no(new Error('no answer in time')); }, ms);
      const done = (settle) => (result) => { clearTimeout(late); settle(result); };
      this.waiting.set(id, { yes: done(yes), no: done(no) });
      this.ws.send(`42${id}` + JSON.stringify([name, value]));
    });
  }

  close() {
    this.closed = true;
    clearTimeout(this.returning);
    if (this.ws) { if (this.connected) this.ws.send('41'); this.drop(); }
  }
}
