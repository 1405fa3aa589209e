import type { ChannelEvent, Message, Participant, Thread, ThreadState } from "./types.ts";

/**
 * A thread after one more event: `message.sent` {message}, `receipt.updated` {user_id, read_seq}, `thread.updated` {status}.
 * Events of a later version change nothing. Pure: what came in is left as it was.
 */
export function applyToThread(state: ThreadState, event: ChannelEvent): ThreadState {
  switch (event.name) {
    case "message.sent": return withNews(state, (event.data as { message: Message }).message);
    case "receipt.updated": {
      const { user_id, read_seq } = event.data as { user_id: string; read_seq: number };
      return withReceipt(state, user_id, read_seq);
    }
    case "thread.updated": return { ...state, thread: { ...state.thread, ...(event.data as Partial<Thread>) } };
    default: return state;
  }
}

/** Messages from anywhere (history, a live event, the answer to a send): each once, in the order of the thread. */
export function withMessages(state: ThreadState, more: Message[]): ThreadState {
  const byId = new Map([...state.messages, ...more].map((message) => [message.id, message]));
  return { ...state, messages: [...byId.values()].sort((a, b) => a.seq - b.seq) };
}

/** How far a message of ours came: the server has it, or somebody else has read up to it. */
export function mark(participants: Participant[], message: Message): "sent" | "read" {
  return participants.some((one) => one.user_id !== message.sender_id && one.read_seq >= message.seq) ? "read" : "sent";
}

/** A new message is the thread's last, and its sender has read up to it: no receipt says so. */
function withNews(state: ThreadState, message: Message): ThreadState {
  const read = withReceipt(withMessages(state, [message]), message.sender_id, message.seq);
  return { ...read, thread: { ...read.thread, last_message: message, last_message_at: message.created_at } };
}

/** Receipts only move forward, in whatever order they come. */
function withReceipt(state: ThreadState, user_id: string, read_seq: number): ThreadState {
  const participants = state.participants.map((one) =>
    one.user_id === user_id ? { ...one, read_seq: Math.max(one.read_seq, read_seq) } : one);
  return { ...state, participants, thread: { ...state.thread, participants } };
}
