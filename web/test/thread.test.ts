import assert from "node:assert/strict";
import { test } from "node:test";
import { applyToThread, mark, withMessages } from "../client/thread.ts";
import type { Message, ThreadState } from "../client/types.ts";

function message(seq: number, sender_id = "ann"): Message {
  return { id: `m${seq}`, thread_id: "t", seq, sender_id, key: `k${seq}`, body: "hi", created_at: "2026-01-05T08:00:00Z" };
}

function state(...messages: Message[]): ThreadState {
  const participants = ["ann", "bob"].map((user_id) => ({ user_id, name: user_id, role: "patient", read_seq: 0 }));
  const thread = {
    id: "t", kind: "support" as const, subject: "", status: "open" as const, created_at: "", last_message_at: "",
    participants, last_message: null,
  };
  return { thread, messages, participants };
}

const event = (name: string, data: unknown) => ({ seq: 1, name, at: "", data });
const seqs = (thread: ThreadState) => thread.messages.map((each) => each.seq);

test("a message is there once, in the order of the thread, however it came", () => {
  const before = state(message(5));
  const live = applyToThread(before, event("message.sent", { message: message(6) }));
  assert.deepEqual(seqs(withMessages(live, [message(4), message(6), message(3)])), [3, 4, 5, 6]);
  assert.deepEqual(seqs(before), [5]);
});

test("a message says that its sender has read up to it, and is the thread's last", () => {
  const news = applyToThread(state(message(5)), event("message.sent", { message: message(6, "bob") }));
  assert.deepEqual(news.participants.map((one) => one.read_seq), [0, 6]);
  assert.equal(mark(news.participants, message(5)), "read");
  assert.equal(news.thread.last_message?.id, "m6");
  assert.deepEqual(news.thread.participants, news.participants);
});

test("receipts move forward only", () => {
  const read = applyToThread(state(), event("receipt.updated", { user_id: "bob", read_seq: 7 }));
  const late = applyToThread(read, event("receipt.updated", { user_id: "bob", read_seq: 5 }));
  assert.deepEqual(late.participants.map((one) => one.read_seq), [0, 7]);
});

test("read means that somebody else read up to it; one's own reading does not count", () => {
  const mine = applyToThread(state(message(3)), event("receipt.updated", { user_id: "ann", read_seq: 3 }));
  assert.equal(mark(mine.participants, message(3)), "sent");
  const theirs = applyToThread(mine, event("receipt.updated", { user_id: "bob", read_seq: 3 }));
  assert.equal(mark(theirs.participants, message(3)), "read");
  assert.equal(mark(theirs.participants, message(4)), "sent");
});

test("closing a thread keeps the rest of it; a name it does not know changes nothing", () => {
  const closed = applyToThread(state(message(1)), event("thread.updated", { status: "closed" }));
  assert.equal(closed.thread.status, "closed");
  assert.deepEqual(seqs(closed), [1]);
  assert.equal(applyToThread(closed, event("reaction.added", {})), closed);
});
