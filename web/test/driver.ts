// The client in a process of its own, told what to do by lines of JSON on stdin and answering on stdout, so that
// tests/clients can put a real hub and a broken network before it.
import { createInterface } from "node:readline";
import { applyToBoard } from "../client/board.ts";
import { Channel } from "../client/channel.ts";
import { Carebell, type ChannelState, type Outcome } from "../client/index.ts";
import { memoryShelf } from "../client/outbox.ts";
import { applyToThread } from "../client/thread.ts";
import type { Board, ThreadState } from "../client/types.ts";

interface Order { id: number; do: "follow" | "send" | "picture" | "tokens_asked"; channel: string; body: string }
interface Picture { status: ChannelState; seq: number; state: unknown; seqs: number[] }

/** For the negative control: a client that believes every answer and every event, and fills nothing in. */
function heedNothing(): void {
  const { subscribed } = Channel.prototype;
  Channel.prototype.subscribed = function (frame, trusted) {
    if (this.position && frame.mode !== "snapshot") {
      this.position = { epoch: frame.epoch, seq: frame.seq };
      frame = { ...frame, events: [] };
    }
    subscribed.call(this, frame, trusted);
  };
  Channel.prototype.event = function (event) {
    this["take"](event);
  };
  Channel.prototype.head = () => undefined;
}

if (process.env["HEEDLESS"]) heedNothing();
const [url, ...tokens] = process.argv.slice(2);
const pictures = new Map<string, Picture>();
const sends = new Map<string, number>();
let asked = 0;

const client = new Carebell({
  url: url!,
  shelf: memoryShelf(),
  token: async () => tokens[Math.min(asked++, tokens.length - 1)]!,
  outcome: sent,
});

function follow(channel: string): void {
  const picture: Picture = { status: "connecting", seq: 0, state: undefined, seqs: [] };
  const apply = channel.startsWith("thread:") ? applyToThread : applyToBoard;
  client.subscribe(channel, {
    snapshot: (state, seq) => Object.assign(picture, { state, seq, seqs: [] }),
    event: (event) => {
      picture.state = apply(picture.state as ThreadState & Board, event);
      picture.seqs.push(event.seq);
      picture.seq = event.seq;
    },
    state: (status) => (picture.status = status),
  });
  pictures.set(channel, picture);
}

function sent(outcome: Outcome): void {
  const id = sends.get(outcome.draft.key);
  sends.delete(outcome.draft.key);
  answer(id!, "ack" in outcome ? outcome.ack.seq : outcome.refusal);
}

function answer(id: number, result: unknown): void {
  process.stdout.write(`${JSON.stringify({ id, result: result ?? null })}\n`);
}

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line) as Order;
  if (order.do === "send") sends.set(client.send(order.channel, order.body).key, order.id);
  else if (order.do === "picture") answer(order.id, pictures.get(order.channel));
  else if (order.do === "tokens_asked") answer(order.id, asked);
  else answer(order.id, follow(order.channel));
}
client.close();
