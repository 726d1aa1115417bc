// 10,000 messages to the echo server and back with an unmodified npm client; prints what it saw as one line of JSON.
// Every tenth message is bytes. At most 1,000 are on their way at a time; the first are sent before an upgrade begins.
// Usage: node stream.mjs URL (polling|websocket|upgrade) (socket.io|engine.io)
import { io } from "socket.io-client";
import { Socket as Engine } from "engine.io-client";

const [url, mode, flavour] = process.argv.slice(2);
const transports = mode === "upgrade" ? ["polling", "websocket"] : [mode];
const MESSAGES = 10_000;
const WINDOW = 1_000;
const TEXT = "é€🙂\u2028";

const isBytes = (n) => n % 10 === 9;
const bytesOf = (n) => Buffer.from([n & 255, n >> 8, 0, 255, 128]);
const same = (bytes, n) => Buffer.compare(Buffer.from(bytes), bytesOf(n)) === 0;

let received = 0;
let wrong = null;
let wake = () => {};
const take = (matches, what) => {
  if (!matches(received) && wrong === null) wrong = `at ${received}: ${what()}`;
  received++;
  wake();
};

async function pump(send) {
  for (let n = 0; n < MESSAGES; n++) {
    while (n - received >= WINDOW) await new Promise((resolve) => (wake = resolve));
    send(n);
  }
  while (received < MESSAGES) await new Promise((resolve) => (wake = resolve));
}

const seen = {};
if (flavour === "socket.io") {
  const socket = io(`${url}/custom`, { transports, reconnection: false, forceNew: true });
  socket.on("disconnect", (reason) => {
    console.log(JSON.stringify({ disconnect: reason, received, wrong }));
    process.exit(1);
  });
  socket.on("message-back", (n, data) =>
    take((at) => n === at && (isBytes(at) ? same(data.deep[0], at) : data === TEXT), () => JSON.stringify([n, data])),
  );
  socket.on("question", (bytes, answer) => answer({ reversed: Buffer.from(bytes).reverse() }));
  await new Promise((resolve) => socket.once("connect", resolve));
  await pump((n) => socket.emit("message", n, isBytes(n) ? { deep: [bytesOf(n)] } : TEXT));
  const ack = await socket.timeout(5000).emitWithAck("message-with-ack", { a: [Buffer.from([1, 2, 3])] });
  seen.ack = [...ack.a[0]];
  const answered = new Promise((resolve) => socket.once("answered", resolve));
  socket.emit("ask-me", Buffer.from([1, 2, 3]));
  seen.answered = [...(await answered).reversed];
  seen.transport = socket.io.engine.transport.name;
} else {
  const socket = new Engine(url, { transports });
  socket.on("close", (reason) => {
    console.log(JSON.stringify({ close: reason, received, wrong }));
    process.exit(1);
  });
  socket.on("message", (data) =>
    take((at) => (isBytes(at) ? typeof data !== "string" && same(data, at) : data === `${at} ${TEXT}`), () => String(data)),
  );
  await new Promise((resolve) => socket.once("open", resolve));
  await pump((n) => socket.send(isBytes(n) ? bytesOf(n) : `${n} ${TEXT}`));
  seen.transport = socket.transport.name;
}
console.log(JSON.stringify({ received, wrong, ...seen }));
process.exit(0);
