// 10,000 messages each way over connections that are cut again and again, with the unmodified npm client's own retries; prints
// what it saw as one line of JSON. Usage: node ledger.mjs URL (polling|websocket|upgrade)
import { io } from "socket.io-client";

const [url, mode] = process.argv.slice(2);
const transports = mode === "upgrade" ? ["polling", "websocket"] : [mode];
const MESSAGES = 10_000;

let seen = 0;
let wrong = null;
let connections = 0;
let done = () => {};
const all = new Promise((resolve) => (done = resolve));
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
socket.on("items", (items, took) => {
  for (const item of items) {
    if (item === seen) seen++;
    else if (item > seen && wrong === null) wrong = `item ${item} after ${seen}`;
  }
  took(seen);
  if (seen === MESSAGES) done();
});
let acked = 0;
const puts = new Promise((resolve) => {
  for (let first = 0; first < MESSAGES; first += 10) {
    const items = Array.from({ length: 10 }, (_, at) => first + at);
    socket.emit("put", items, (error) => {
      if (error && wrong === null) wrong = String(error);
      if (++acked === MESSAGES / 10) resolve();
    });
  }
});
await Promise.all([all, puts]);
console.log(JSON.stringify({ seen, acked, wrong, cut: connections > 5 }));
process.exit(0);
