import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { Carebell } from "../client/client.ts";
import type { Options } from "../client/options.ts";
import { memoryShelf } from "../client/outbox.ts";
import type { Outcome } from "../client/outbox.ts";
import { after, FakeSocket, settled } from "./fake_socket.ts";

let open: Carebell[] = [];

beforeEach(() => {
  FakeSocket.all = [];
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  Object.assign(globalThis, { WebSocket: FakeSocket });
});

afterEach(() => {
  for (const client of open) client.close();
  open = [];
  mock.timers.reset();
});

async function connect(options: Options = {}): Promise<Carebell> {
  const client = new Carebell({ url: "ws://hub/api/v1/ws", shelf: memoryShelf(), random: () => 0.5, ...options });
  open.push(client);
  await settled();
  return client;
}

/** A client that follows one board, and everything that board was told. */
async function follow(options: Options = {}) {
  const client = await connect(options);
  const told: (string | number)[] = [];
  const end = client.subscribe("board:q", {
    snapshot: (state) => told.push(`snapshot ${(state as { at: number }).at}`),
    event: (event) => told.push(event.seq),
    state: (state) => told.push(state),
    refused: (refusal) => told.push(refusal.error_code),
  });
  return { client, told, end };
}

async function live(options: Options = {}) {
  const followed = await follow(options);
  FakeSocket.last.welcome().snapshot(4);
  followed.told.length = 0;
  return followed;
}

test("greets with the subprotocol, then subscribes without a position", async () => {
  const { told } = await follow();
  const socket = FakeSocket.last;
  assert.equal(socket.protocol, "carebell.v1");
  socket.welcome();
  assert.deepEqual(socket.sent, [{ type: "hello" }, { type: "subscribe", id: "1", channel: "board:q" }]);
  socket.snapshot(4);
  assert.deepEqual(told, ["snapshot 4", "live"]);
});

test("a ticket goes into the address, a token into the first frame, fresh for each connection", async () => {
  let n = 0;
  await connect({ ticket: async () => `t${++n}`, token: async () => `k${n}` });
  assert.equal(FakeSocket.last.url.searchParams.get("ticket"), "t1");
  FakeSocket.last.welcome();
  assert.deepEqual(FakeSocket.last.sent[0], { type: "hello", token: "k1" });
  FakeSocket.last.drop();
  await after(250);
  assert.equal(FakeSocket.last.url.searchParams.get("ticket"), "t2");
});

test("applies events in order, drops what it has seen", async () => {
  const { told } = await live();
  for (const seq of [5, 5, 4, 6]) FakeSocket.last.event(seq);
  assert.deepEqual(told, [5, 6]);
});

test("a gap sends it back for what lies between, once, and nothing is applied twice", async () => {
  const { told } = await live();
  const socket = FakeSocket.last;
  socket.event(7);
  socket.event(8);
  assert.deepEqual(socket.of("subscribe").slice(1), [{ type: "subscribe", id: "2", channel: "board:q", epoch: "e1", seq: 4 }]);
  assert.deepEqual(told, []);
  socket.resume(4, 8);
  assert.deepEqual(told, [5, 6, 7, 8]);
});

test("a heartbeat that is further than we are shows a loss on a quiet channel", async () => {
  const { told } = await live();
  FakeSocket.last.say({ type: "heartbeat", heads: { "board:q": 4 } });
  assert.equal(FakeSocket.last.of("subscribe").length, 1);
  FakeSocket.last.say({ type: "heartbeat", heads: { "board:q": 5 } });
  FakeSocket.last.resume(4, 5);
  assert.deepEqual(told, [5]);
});

test("an unanswered gap is stale after two seconds, and live with the answer", async () => {
  const { told } = await live();
  FakeSocket.last.event(9);
  await after(1999);
  assert.deepEqual(told, []);
  await after(1);
  assert.deepEqual(told, ["stale"]);
  FakeSocket.last.resume(4, 9);
  assert.deepEqual(told, ["stale", 5, 6, 7, 8, 9, "live"]);
});

test("a slow reader takes the newest of each thing, from wherever it stands within, and asks where it stands below", async () => {
  const { told } = await live();
  const socket = FakeSocket.last;
  const conflated = (after: number, ...seqs: number[]) => socket.say({
    type: "conflated", channel: "board:q", after, seq: seqs.at(-1)!,
    events: seqs.map((seq) => ({ seq, name: "x", at: "", data: {} })),
  });
  conflated(4, 6, 9);
  socket.event(10);
  conflated(4, 6, 9);
  conflated(8, 9, 10, 12);
  assert.deepEqual(told, [6, 9, 10, 12]);
  assert.equal(socket.of("subscribe").length, 1);
  conflated(13, 15);
  assert.deepEqual(told, [6, 9, 10, 12]);
  assert.deepEqual(socket.of("subscribe").at(-1), { type: "subscribe", id: "2", channel: "board:q", epoch: "e1", seq: 12 });
});

test("a part of a recovery, or another epoch, is never taken: it asks for everything", async () => {
  const { told } = await live();
  const socket = FakeSocket.last;
  socket.say({ type: "resync", channel: "board:q" });
  socket.resume(6, 8);
  assert.deepEqual(socket.of("subscribe").at(-1), { type: "subscribe", id: "3", channel: "board:q" });
  socket.snapshot(2, "board:q", "e2");
  socket.event(3);
  assert.deepEqual(told, ["snapshot 2", 3]);
});

test("a short break stays live and resumes from its position", async () => {
  const { told } = await live();
  FakeSocket.last.event(5);
  FakeSocket.last.drop();
  await after(250);
  FakeSocket.last.welcome();
  assert.deepEqual(FakeSocket.last.of("subscribe"), [{ type: "subscribe", id: "2", channel: "board:q", epoch: "e1", seq: 5 }]);
  FakeSocket.last.resume(5, 6);
  await after(3000);
  assert.deepEqual(told, [5, 6]);
});

test("a longer break is stale after two seconds, live again only when in step", async () => {
  const { told } = await live();
  FakeSocket.last.drop();
  await after(250);
  await after(1749);
  assert.deepEqual(told, []);
  await after(1);
  assert.deepEqual(told, ["stale"]);
  FakeSocket.last.welcome();
  assert.deepEqual(told, ["stale"]);
  FakeSocket.last.resume(4, 4);
  assert.deepEqual(told, ["stale", "live"]);
});

test("silence for two heartbeats is stale at once, and the dead socket is replaced", async () => {
  const { told } = await live();
  FakeSocket.last.say({ type: "heartbeat", heads: {} });
  await after(19_999);
  assert.deepEqual(told, []);
  await after(1);
  assert.deepEqual(told, ["stale"]);
  assert.equal(FakeSocket.last.closedWith, 1000);
  await after(250);
  assert.equal(FakeSocket.all.length, 2);
});

test("degraded is stale at once, recovered is live", async () => {
  const { told } = await live();
  FakeSocket.last.say({ type: "degraded" });
  FakeSocket.last.event(5);
  FakeSocket.last.say({ type: "recovered" });
  assert.deepEqual(told, ["stale", 5, "live"]);
});

test("backs off with full jitter: the ceiling doubles up to ten seconds, a good connection starts over", async () => {
  await live();
  for (const wait of [250, 500, 1000, 2000, 4000, 5000, 5000, 5000]) {
    FakeSocket.last.drop();
    const sockets = FakeSocket.all.length;
    await after(wait - 1);
    assert.equal(FakeSocket.all.length, sockets);
    await after(1);
    assert.equal(FakeSocket.all.length, sockets + 1, `after ${wait} ms`);
  }
  FakeSocket.last.welcome().say({ type: "heartbeat", heads: {} });
  FakeSocket.last.drop();
  await after(250);
  assert.equal(FakeSocket.all.length, 10);
});

test("close codes: 42xx comes back at once, but not in a circle; 41xx waits longer; 40xx stops", async () => {
  const { told } = await live();
  FakeSocket.last.drop(4200);
  await after(0);
  assert.equal(FakeSocket.all.length, 2);
  FakeSocket.last.welcome().drop(4200);
  await after(0);
  assert.equal(FakeSocket.all.length, 2);
  await after(500);
  FakeSocket.last.welcome().say({ type: "heartbeat", heads: {} });
  FakeSocket.last.drop(4100);
  await after(1999);
  assert.equal(FakeSocket.all.length, 3);
  await after(1);
  FakeSocket.last.welcome().drop(4003);
  await after(100_000);
  assert.equal(FakeSocket.all.length, 4);
  assert.equal(told.at(-1), "stale");
});

test("a 40xx is pleaded for once the page has renewed the session", async () => {
  const heard: number[] = [];
  await live({ refused: async (code) => heard.push(code) > 0 });
  FakeSocket.last.drop(4001);
  await settled();
  await after(250);
  assert.deepEqual(heard, [4001]);
  assert.equal(FakeSocket.all.length, 2);
});

test("a token that is refused is pleaded for at once, not when the hub loses its patience", async () => {
  const codes: number[] = [];
  await connect({ token: async () => "gone", refused: async (code) => (codes.push(code), false) });
  const socket = FakeSocket.last;
  socket.onopen?.();
  socket.say({ type: "error", error_code: "AUTHENTICATION", detail: "This token is not valid." });
  await after(0);
  assert.deepEqual(codes, [4001]);
  assert.equal(socket.closedWith, 1000);
  await after(60_000);
  assert.equal(FakeSocket.all.length, 1);
});

test("taken for a visitor, it renews the session before it says anything", async () => {
  const heard: number[] = [];
  const client = await connect({ user: "u", refused: async (code) => heard.push(code) > 0 });
  client.send("thread:t", "mine");
  FakeSocket.last.welcome(10, null);
  await settled();
  assert.deepEqual([heard, FakeSocket.last.of("send"), FakeSocket.last.closedWith], [[4001], [], 1000]);
  await after(250);
  FakeSocket.last.welcome(10, "u");
  assert.equal(FakeSocket.last.of("send").length, 1);
});

test("goodbye: listens on, then leaves at the moment it was given", async () => {
  const { told } = await live();
  FakeSocket.last.say({ type: "goodbye", code: 4200, reconnect_after_ms: 700 });
  FakeSocket.last.event(5);
  await after(699);
  assert.equal(FakeSocket.all.length, 1);
  await after(1);
  assert.equal(FakeSocket.all.length, 2);
  assert.equal(FakeSocket.all[0]!.closedWith, 1000);
  FakeSocket.last.welcome().resume(5, 5);
  assert.deepEqual(told, [5]);
});

test("goodbye holds when the server closes first", async () => {
  await live();
  FakeSocket.last.say({ type: "goodbye", code: 4200, reconnect_after_ms: 700 });
  FakeSocket.last.drop(4200);
  await after(699);
  assert.equal(FakeSocket.all.length, 1);
  await after(1);
  assert.equal(FakeSocket.all.length, 2);
});

test("a refused subscription says why, and is asked again only when it may be", async () => {
  const { told } = await follow();
  const socket = FakeSocket.last.welcome();
  socket.say({ type: "error", id: "1", error_code: "RATE_LIMITED", detail: "slowly", retry_after: 3 });
  assert.deepEqual(told, ["RATE_LIMITED"]);
  await after(3000);
  assert.equal(socket.of("subscribe").length, 2);
  socket.say({ type: "error", id: "2", error_code: "AUTHORIZATION", detail: "not yours" });
  await after(9000);
  assert.equal(socket.of("subscribe").length, 2);
});

test("a message waits for its acknowledgement and is sent again under the same key", async () => {
  const outcomes: Outcome[] = [];
  const client = await connect({ outcome: (outcome) => outcomes.push(outcome) });
  const draft = client.send("thread:t", "hello");
  assert.match(draft.key, /^[0-9a-f]{32}$/);
  FakeSocket.last.welcome();
  const first = FakeSocket.last.of("send");
  assert.deepEqual(first.map((frame) => frame["key"]), [draft.key]);
  FakeSocket.last.drop();
  await after(250);
  FakeSocket.last.welcome();
  const again = FakeSocket.last.of("send")[0]!;
  assert.equal(again["key"], draft.key);
  FakeSocket.last.say({ type: "ack", id: again.id!, seq: 9 });
  assert.deepEqual(outcomes.map((one) => "ack" in one && one.ack.seq), [9]);
  assert.deepEqual(client.outbox.drafts(), []);
});

test("drafts outlive the page, each user's apart, and go out in order", async () => {
  const shelf = memoryShelf();
  const before = await connect({ shelf, user: "u" });
  before.send("thread:t", "one");
  before.send("thread:t", "two");
  const other = await connect({ shelf, user: "bob" });
  assert.deepEqual(other.outbox.drafts(), []);
  await connect({ shelf, user: "u" });
  FakeSocket.last.welcome();
  const socket = FakeSocket.last;
  assert.deepEqual(socket.of("send").map((frame) => frame["body"]), ["one"]);
  socket.say({ type: "ack", id: socket.of("send")[0]!.id!, seq: 1 });
  assert.deepEqual(socket.of("send").map((frame) => frame["body"]), ["one", "two"]);
});

test("a message refused for good leaves the outbox with its reason; one refused for now is sent later", async () => {
  const outcomes: Outcome[] = [];
  const client = await connect({ outcome: (outcome) => outcomes.push(outcome) });
  const socket = FakeSocket.last.welcome();
  client.send("thread:t", "x");
  socket.say({ type: "error", id: "1", error_code: "RATE_LIMITED", detail: "slowly", retry_after: 2 });
  assert.equal(client.outbox.drafts().length, 1);
  await after(2000);
  assert.equal(socket.of("send").length, 2);
  socket.say({ type: "error", id: "2", error_code: "CONFLICT", detail: "closed" });
  assert.deepEqual(client.outbox.drafts(), []);
  assert.deepEqual(outcomes.map((one) => "refusal" in one && one.refusal.detail), ["closed"]);
});

test("a refusal for haste names no command: what has had no answer is asked again, in order, once each", async () => {
  const client = await connect();
  const socket = FakeSocket.last.welcome();
  client.subscribe("board:q", {});
  client.send("thread:t", "one");
  client.send("thread:t", "two");
  socket.say({ type: "error", error_code: "RATE_LIMITED", detail: "slowly", retry_after: 0.05 });
  await after(50);
  assert.deepEqual(socket.of("subscribe").length, 2);
  const [first, again] = socket.of("send");
  assert.deepEqual([first!["key"], again!["body"]], [again!["key"], "one"]);
  socket.say({ type: "ack", id: first!.id!, seq: 1 });
  assert.equal(socket.of("send").length, 2);
  socket.say({ type: "ack", id: again!.id!, seq: 1 });
  assert.deepEqual(socket.of("send").map((frame) => frame["body"]), ["one", "one", "two"]);
});

test("reading only moves forward and is told again after a break; typing is not kept", async () => {
  const client = await connect();
  client.read("thread:t", 3);
  client.typing("thread:t", true);
  FakeSocket.last.welcome();
  client.read("thread:t", 2);
  client.typing("thread:t", false);
  assert.deepEqual(FakeSocket.last.sent.slice(1), [
    { type: "read", channel: "thread:t", seq: 3 },
    { type: "typing", channel: "thread:t", on: false },
  ]);
});

test("an ended subscription hears nothing more", async () => {
  const { told, end } = await live();
  end();
  FakeSocket.last.event(5);
  assert.deepEqual(told, []);
  assert.equal(FakeSocket.last.of("unsubscribe").length, 1);
});

test("a sign-in that ends soon is renewed on the living socket", async () => {
  let made = 0;
  await live({ fresh: async () => `fresh-${++made}` });
  const socket = FakeSocket.last;
  socket.say({ type: "expiring", expires_in_s: 60 });
  await settled();
  assert.deepEqual(socket.of("auth").map((frame) => frame.token), ["fresh-1"]);
  assert.equal(FakeSocket.all.length, 1);
});

test("without a fresh sign-in the socket is left to the hub", async () => {
  await live({ fresh: () => Promise.reject(new Error("offline")) });
  FakeSocket.last.say({ type: "expiring", expires_in_s: 60 });
  await settled();
  assert.deepEqual(FakeSocket.last.of("auth"), []);
});

test("who is there: all of it each time, nothing while it is not live, and again when it is", async () => {
  const client = await connect();
  const told: unknown[] = [];
  client.subscribe("board:q", { presence: (present) => told.push(present?.screens), signal: (name) => told.push(name), counted: false });
  const socket = FakeSocket.last.welcome();
  assert.equal(socket.of("subscribe")[0]!["present"], false);
  socket.snapshot(4);
  socket.say({ type: "signal", channel: "board:q", name: "presence", data: { screens: 2 } });
  socket.say({ type: "signal", channel: "board:q", name: "typing", data: {} });
  assert.deepEqual(told, [undefined, 2, "typing"]);
  socket.say({ type: "degraded" }, { type: "signal", channel: "board:q", name: "presence", data: { screens: 3 } }, { type: "recovered" });
  assert.deepEqual(told.slice(3), [undefined, 3]);
  socket.drop();
  await after(2000);
  assert.deepEqual(told.slice(5), [undefined]);
  FakeSocket.last.welcome().resume(4, 4);
  assert.deepEqual(told.slice(6), [undefined]);
  FakeSocket.last.say({ type: "signal", channel: "board:q", name: "presence", data: { screens: 1 } });
  assert.deepEqual(told.slice(7), [1]);
});
