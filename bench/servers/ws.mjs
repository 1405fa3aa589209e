// Node's `ws`: every message from Redis to every socket. node ws.mjs PORT REDIS_URL CHANNEL
import { createClient } from "redis";
import { WebSocketServer } from "ws";

const [port, url, channel] = process.argv.slice(2);
const server = new WebSocketServer({ host: "127.0.0.1", port: Number(port), perMessageDeflate: false, backlog: 4096 });
const redis = createClient({ url });
await redis.connect();
await redis.subscribe(channel, (message) => {
  for (const client of server.clients) client.send(message);
});
