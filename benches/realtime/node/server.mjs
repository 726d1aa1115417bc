// A peer: the same rooms over npm socket.io and ws. Usage: node server.mjs PORT [redis://… | recovery]
import { createServer } from "node:http";
import { Server } from "socket.io";

const [port, redis] = process.argv.slice(2);
const http = createServer();
const recovery = redis === "recovery" ? { connectionStateRecovery: { maxDisconnectionDuration: 120_000 } } : {};
const io = new Server(http, { perMessageDeflate: false, httpCompression: false, serveClient: false, ...recovery });
if (redis?.startsWith("redis:")) {
  const { createAdapter } = await import("@socket.io/redis-adapter");
  const { createClient } = await import("redis");
  const publisher = createClient({ url: redis });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);
  io.adapter(createAdapter(publisher, subscriber));
}
io.use((socket, next) => next(socket.handshake.auth.token === "bench" ? undefined : new Error("unauthenticated")));
io.on("connection", (socket) => {
  // The request is not needed any more: what the documentation on memory usage advises.
  socket.conn.request = null;
  socket.on("join", (room, took) => {
    socket.join(room);
    took(true);
  });
  socket.on("send", (room, body, took) => {
    io.to(room).emit("msg", body);
    took(true);
  });
});
http.listen(Number(port), "127.0.0.1");
