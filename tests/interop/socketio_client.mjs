// One journey of the unmodified npm client against the echo server; prints what it saw as one line of JSON.
// Usage: node socketio_client.mjs URL (polling|websocket|upgrade)
import { io } from "socket.io-client";

const [url, mode] = process.argv.slice(2);
const transports = mode === "upgrade" ? ["polling", "websocket"] : [mode];
const options = { transports, reconnection: false, forceNew: true };
const MESSAGES = 300;

const once = (socket, event) => new Promise((resolve) => socket.once(event, (...args) => resolve(args)));
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const seen = {};
const socket = io(url, { ...options, auth: { token: "t", name: "é€🙂" } });
const backs = [];
socket.on("message-back", (n, text) => backs.push([n, text]));
const auth = once(socket, "auth");
let pings = 0;
socket.io.on("ping", () => pings++);
await once(socket, "connect");
// Spread over the time in which an upgrade happens.
for (let n = 0; n < MESSAGES; n++) {
  socket.emit("message", n, "é€🙂\u2028\u001e");
  if (n % 10 === 0) await sleep(1);
}
seen.auth = (await auth)[0];
seen.ack = await new Promise((resolve) =>
  socket.timeout(5000).emit("message-with-ack", 1, "2", { 3: [false] }, (error, ...args) => resolve(error ? String(error) : args)),
);
// The acknowledgement is later than all echoes, for one client's events are handled in order.
seen.echoed = backs.length;
seen.in_order = backs.every(([n, text], at) => n === at && text === "é€🙂\u2028\u001e");
const large = "x".repeat(400_000);
const back = once(socket, "large-back");
socket.emit("large", large);
seen.large = (await back)[0] === large;
while (pings < 3) await sleep(20);
seen.connected = socket.connected;
seen.transport = socket.io.engine.transport.name;
const kick = once(socket, "kick");
const gone = once(socket, "disconnect");
socket.emit("kick-me", "enough");
seen.kick = (await kick)[0];
seen.disconnect = (await gone)[0];
const refused = io(url, { ...options, auth: { refuse: true } });
const [error] = await once(refused, "connect_error");
seen.refused = { message: error.message, data: error.data };
refused.close();
// A node that lets its clients go for now: the last event arrives, and the client would come back.
const third = io(url, options);
await once(third, "connect");
const last = once(third, "kick");
const lost = once(third, "disconnect");
third.emit("close-me", "shutdown");
seen.last = [(await last)[0].reason, (await lost)[0]];
console.log(JSON.stringify(seen));
process.exit(0);
