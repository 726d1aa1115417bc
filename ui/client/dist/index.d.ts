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
/** One connection at a time; it works in the background until `stop`. */
export declare class Device {
    private readonly options;
    private readonly cursors;
    private readonly queue;
    private readonly repairing;
    private socket;
    private sending;
    private turn;
    private failures;
    private wanted;
    private returning;
    private readonly look;
    constructor(options: Options);
    /** Queues a message; it is sent when there is a connection, and tried under the same id until there is an answer. */
    send(channel: string, clientMsgId: string, body: string, more?: Record<string, unknown>): boolean;
    /** Messages without an answer yet. */
    get outstanding(): number;
    /** Follows one more channel, from this place on; without one, from its beginning. */
    follow(channel: string, place?: {
        epoch: number;
        seq: number;
    }): void;
    /** Cuts the connection and stays away; what is sent meanwhile waits. */
    offline(): void;
    /** Comes back. */
    online(): void;
    /** Stops at once; what is queued is forgotten. */
    stop(): void;
    private drop;
    private connect;
    private ask;
    private leave;
    private catchUpAll;
    /** Asks for everything after the cursor; also how a gap is repaired. */
    private catchUp;
    private take;
    /** Sends the queue in order, one at a time. */
    private drain;
}
