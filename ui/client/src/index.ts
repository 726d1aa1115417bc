// A person's device over the stock Socket.IO client: an offline queue, retry under one client_msg_id, resume from the last place,
// repair of gaps, and each message shown once, in order. The same behaviour as the Rust crate `archgen-client`; one set of scenario
// files is run against both.
import { io, type Socket } from 'socket.io-client';

/** An entry of a channel's log. `(epoch, seq)` orders a channel; `seq` has no gaps. */
export interface Entry {
  ch: string;
  epoch: number;
  seq: number;
  type: string;
  id: string;
  author: string;
  ts: number;
  client_msg_id?: string;
  data: Record<string, unknown>;
}

/** Told of everything that happens on a device. */
export interface Observer {
  /** A send was acknowledged: it is durable. */
  acked?(clientMsgId: string, seq: number, id: string): void;
  /** A send was refused for good. */
  refused?(clientMsgId: string, reason: string): void;
  /** An entry is next in its channel: messages, edits, reactions, members; each once, in order. */
  entry?(entry: Entry): void;
  /** A channel cannot be followed: no such channel for this user, or not any more. */
  left?(channel: string): void;
}

export interface Options {
  /** Base URLs of realtime hosts, the preferred one first; the next is tried when one fails. */
  realtime: string[];
  /** Gives an access token for each connection. */
  token: () => string | Promise<string>;
  /** Channels to follow. */
  channels: string[];
  observer: Observer;
}

interface Outgoing { channel: string; clientMsgId: string; body: string; more: Record<string, unknown> }
interface Answer { ok: boolean; error?: { code: string; retry_after_ms?: number }; [field: string]: any }

/** Wait for an acknowledgement, milliseconds. */
const ACK_MS_MAX = 3_000;
/** Wait for a connection, milliseconds. */
const CONNECT_MS_MAX = 3_000;
/** Least and most wait before the next connection, milliseconds; doubled at each failure, with full jitter. */
const RECONNECT_MS = [100, 2_000] as const;
/** Least and most wait before a send is tried again, milliseconds. */
const RESEND_MS = [50, 1_000] as const;
/** Messages that wait to be sent. */
const QUEUE_MESSAGES_MAX = 10_000;
/** Time between looks at the heads on a quiet connection, milliseconds. */
const LOOK_MS = 5_000;

const pause = (ms: number) => new Promise<void>((done) => { setTimeout(done, ms); });
const jittered = ([least, most]: readonly [number, number], failures: number) =>
  least / 2 + Math.random() * Math.min(most, least * 2 ** Math.min(failures, 10));

/** One connection at a time; it works in the background until `stop`. */
export class Device {
  private readonly cursors = new Map<string, { epoch: number; seq: number }>();
  private readonly queue: Outgoing[] = [];
  private readonly repairing = new Set<string>();
  private socket: Socket | null = null;
  private sending = false;
  private turn = 0;
  private failures = 0;
  private wanted = true;
  private returning: ReturnType<typeof setTimeout> | undefined;
  private readonly look: ReturnType<typeof setInterval>;

  constructor(private readonly options: Options) {
    for (const channel of options.channels) this.cursors.set(channel, { epoch: 0, seq: 0 });
    this.look = setInterval(() => this.catchUpAll(), LOOK_MS);
    void this.connect();
  }

  /** Queues a message; it is sent when there is a connection, and tried under the same id until there is an answer. */
  send(channel: string, clientMsgId: string, body: string, more: Record<string, unknown> = {}): boolean {
    if (this.queue.length >= QUEUE_MESSAGES_MAX) return false;
    this.queue.push({ channel, clientMsgId, body, more });
    void this.drain();
    return true;
  }

  /** Messages without an answer yet. */
  get outstanding(): number { return this.queue.length; }

  /** Follows one more channel, from this place on; without one, from its beginning. */
  follow(channel: string, place = { epoch: 0, seq: 0 }): void {
    this.cursors.set(channel, place);
    void this.catchUp(channel);
  }

  /** Cuts the connection and stays away; what is sent meanwhile waits. */
  offline(): void {
    this.wanted = false;
    clearTimeout(this.returning);
    this.drop();
  }

  /** Comes back. */
  online(): void {
    if (this.wanted) return;
    this.wanted = true;
    void this.connect();
  }

  /** Stops at once; what is queued is forgotten. */
  stop(): void {
    clearInterval(this.look);
    this.offline();
    this.queue.length = 0;
  }

  private drop(): void {
    const socket = this.socket;
    this.socket = null;
    socket?.removeAllListeners();
    socket?.disconnect();
  }

  private async connect(): Promise<void> {
    if (!this.wanted || this.socket) return;
    const { realtime } = this.options;
    const url = realtime[this.turn++ % realtime.length]!;
    const token = await this.options.token();
    if (!this.wanted || this.socket) return;
    // Coming back is this class's own matter: another host each time, with backoff.
    const socket = io(url, { auth: { token }, reconnection: false, timeout: CONNECT_MS_MAX, forceNew: true });
    this.socket = socket;
    const lost = () => {
      if (socket !== this.socket) return;
      this.drop();
      if (this.wanted) this.returning = setTimeout(() => void this.connect(), jittered(RECONNECT_MS, this.failures++));
    };
    socket.on('connect', () => {
      this.failures = 0;
      this.catchUpAll();
      void this.drain();
    });
    socket.on('connect_error', lost);
    socket.on('disconnect', lost);
    socket.on('kick', lost);
    socket.on('drain', ({ after_ms: afterMs = 0 } = {}) => { setTimeout(lost, afterMs); });
    socket.on('chan:left', ({ ch }: { ch: string }) => this.leave(ch));
    // Whatever has a place in a log is an entry, known by name or not.
    socket.onAny((_name: string, event: Partial<Entry>) => {
      if (event && typeof event.epoch === 'number' && typeof event.seq === 'number') this.take(event as Entry);
    });
  }

  private ask(name: string, body: unknown): Promise<Answer> {
    if (!this.socket?.connected) return Promise.reject(new Error('not connected'));
    return this.socket.timeout(ACK_MS_MAX).emitWithAck(name, body);
  }

  private leave(channel: string): void {
    if (this.cursors.delete(channel)) this.options.observer.left?.(channel);
  }

  private catchUpAll(): void {
    for (const channel of [...this.cursors.keys()]) void this.catchUp(channel);
  }

  /** Asks for everything after the cursor; also how a gap is repaired. */
  private async catchUp(channel: string): Promise<void> {
    if (this.repairing.has(channel)) return;
    this.repairing.add(channel);
    try {
      for (;;) {
        const cursor = this.cursors.get(channel);
        if (!cursor) return;
        const before = cursor.seq;
        const answer = await this.ask('sub', { ch: channel, epoch: cursor.epoch, seq: cursor.seq });
        if (!answer.ok) {
          if (answer.error?.retry_after_ms === undefined) { this.leave(channel); return; }
          await pause(answer.error.retry_after_ms);
          continue;
        }
        for (const entry of answer.missed as Entry[]) this.take(entry);
        if (cursor.seq >= answer.head.seq || cursor.seq === before) return;
      }
    } catch { /* The connection broke or was slow: the next one, or the next look, asks again. */
    } finally { this.repairing.delete(channel); }
  }

  private take(entry: Entry): void {
    const cursor = this.cursors.get(entry.ch);
    if (!cursor || entry.seq <= cursor.seq) return;
    if (entry.seq !== cursor.seq + 1) { void this.catchUp(entry.ch); return; }
    cursor.epoch = entry.epoch;
    cursor.seq = entry.seq;
    this.options.observer.entry?.(entry);
  }

  /** Sends the queue in order, one at a time. */
  private async drain(): Promise<void> {
    if (this.sending) return;
    this.sending = true;
    let failures = 0;
    try {
      while (this.queue.length && this.socket?.connected) {
        const { channel, clientMsgId, body, more } = this.queue[0]!;
        try {
          const answer = await this.ask('msg:send', { ...more, ch: channel, client_msg_id: clientMsgId, body });
          if (answer.ok) {
            this.queue.shift();
            failures = 0;
            this.options.observer.acked?.(clientMsgId, answer.seq, answer.id);
            continue;
          }
          if (answer.error?.retry_after_ms === undefined) {
            this.queue.shift();
            this.options.observer.refused?.(clientMsgId, answer.error?.code ?? 'no reason');
            continue;
          }
          await pause(Math.max(answer.error.retry_after_ms, jittered(RESEND_MS, failures++)));
        } catch { await pause(jittered(RESEND_MS, failures++)); }
      }
    } finally { this.sending = false; }
  }
}
