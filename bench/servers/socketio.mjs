// Socket.IO with its Redis adapter: what another node emits goes to every socket. node socketio.mjs PORT REDIS_URL
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const [port, url] = process.argv.slice(2);
const publisher = createClient({ url });
const subscriber = publisher.duplicate();
await Promise.all([publisher.connect(), subscriber.connect()]);
const http = createServer();
new Server(http, { adapter: createAdapter(publisher, subscriber), perMessageDeflate: false });
http.listen({ host: "127.0.0.1", port: Number(port), backlog: 4096 });
