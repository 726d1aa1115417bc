// 10,000 messages each way over connections that are cut again and again; prints what it saw as one line of JSON.
// The unmodified socket.io-client tries by its own retries. The unmodified engine.io-client has none: here this script opens the
// next connection and says again what has no answer. Usage: node ledger.mjs URL (polling|websocket|upgrade) (socket.io|engine.io)
import { io } from "socket.io-client";
import { Socket as Engine } from "engine.io-client";

const [url, mode, flavour] = process.argv.slice(2);
const transports = mode === "upgrade" ? ["polling", "websocket"] : [mode];
const MESSAGES = 10_000;
const PER_PUT = 10;
const WHO = `${flavour} ${mode}`;
const puts = Array.from({ length: MESSAGES / PER_PUT }, (_, put) => Array.from({ length: PER_PUT }, (_, at) => put * PER_PUT + at));

let seen = 0;
let acked = 0;
let wrong = null;
let connections = 0;
let done = () => {};
const all = new Promise((resolve) => (done = resolve));
const finish = () => seen === MESSAGES && acked === puts.length && done();
function take(items) {
  for (const item of items) {
    if (item === seen) seen++;
    else if (item > seen && wrong === null) wrong = `item ${item} after ${seen}`;
  }
  finish();
  return seen;
}

if (flavour === "socket.io") {
  const socket = io(`${url}/ledger`, {
    transports,
    auth: (give) => give({ seen }),
    retries: 1_000,
    ackTimeout: 500,
    reconnectionDelay: 1,
    reconnectionDelayMax: 20,
    timeout: 2_000,
  });
  socket.on("connect", () => connections++);
  socket.on("items", (items, took) => took(take(items)));
  for (const items of puts) {
    socket.emit("put", items, WHO, (error) => {
      if (error && wrong === null) wrong = String(error);
      acked++;
      finish();
    });
  }
} else {
  (function connect() {
    if (acked === puts.length && seen === MESSAGES) return;
    const socket = new Engine(url, { transports, path: "/socket.io/" });
    const late = setTimeout(() => socket.close(), 2_000);
    const put = () => acked < puts.length && socket.send(`2/ledger,${acked}${JSON.stringify(["put", puts[acked], WHO])}`);
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(late);
      setTimeout(connect, 5);
    });
    socket.on("open", () => socket.send(`0/ledger,${JSON.stringify({ seen })}`));
    socket.on("message", (text) => {
      const [, kind, id, json] = text.match(/^(\d)\/ledger,(\d*)(.*)$/s) ?? [];
      if (kind === "0") {
        clearTimeout(late);
        connections++;
        put();
      } else if (kind === "2") {
        socket.send(`3/ledger,${id}[${take(JSON.parse(json)[1])}]`);
      } else if (kind === "3" && Number(id) === acked) {
        acked++;
        finish();
        put();
      }
    });
  })();
}
await all;
console.log(JSON.stringify({ seen, acked, wrong, cut: connections > 5 }));
process.exit(0);
