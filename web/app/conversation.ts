import { applyToThread, mark, withMessages } from "../client/thread.ts";
import type { Carebell, Draft, Feed, Message, Outcome, Thread, ThreadState, User } from "../client/index.ts";
import { api } from "./api.ts";
import { byId, h, list, toast, trying, when } from "./dom.ts";
import { Typing } from "./typing.ts";

/** What one bubble shows. */
interface Bubble { key: string; mine: boolean; who: string | null; body: string; at: string; mark: "sending" | "sent" | "read" | null }

const scroller = byId("scroll");

/** One open thread on the page: live, with its history, its drafts and its receipts. */
export class Conversation {
  private state: ThreadState | undefined;
  /** Acknowledged, but the event that shows them is still on its way. */
  private readonly sent = new Map<string, Draft>();
  private history: { cursor: string | null; loading: boolean } | undefined;
  private readonly typing: Typing;
  private readonly unfollow: () => void;
  private closed = false;
  /** Who is there, by id; undefined while nobody can say. */
  private here: string[] | undefined;
  private readonly channel: string;

  constructor(private readonly client: Carebell, private readonly me: User, thread: Thread, private readonly changed: () => void) {
    this.channel = `thread:${thread.id}`;
    this.typing = new Typing(client, this.channel, me);
    this.unfollow = client.subscribe(this.channel, {
      snapshot: (state) => this.begin(state as ThreadState),
      event: (event) => {
        if (event.name === "message.sent") this.typing.stopped((event.data as { message: Message }).message.sender_id);
        if (this.state) this.show(applyToThread(this.state, event));
        this.changed();
      },
      presence: (present) => {
        this.here = present?.user_ids;
        this.drawPeople();
      },
      signal: (name, data) => this.typing.signal(name, data, this.state?.participants ?? []),
      refused: (refusal) => toast(refusal.detail),
    });
    this.drawHead(thread);
    this.drawPeople();
    byId("beginning").hidden = true;
    list(byId("messages"), [] as Bubble[], (bubble) => bubble.key, bubbleRow);
    this.draw();
  }

  get threadId(): string {
    return this.channel.slice("thread:".length);
  }

  close(): void {
    this.closed = true; // History that is still on its way belongs to a page that shows another thread by then.
    this.typing.close();
    this.unfollow();
  }

  send(body: string): void {
    this.typing.sent();
    this.client.send(this.channel, body);
    this.draw();
    toBottom();
  }

  /** Somebody types into the box below. */
  composing(on: boolean): void {
    this.typing.say(on);
  }

  outcome(outcome: Outcome): void {
    if ("ack" in outcome) this.sent.set(outcome.draft.key, outcome.draft);
    this.draw();
  }

  /** What is on a visible page was read. */
  seen(): void {
    const last = this.state?.messages.findLast((message) => message.sender_id !== this.me.id);
    if (last && document.visibilityState === "visible" && document.hasFocus() && atBottom()) this.client.read(this.channel, last.seq);
  }

  async toggleStatus(): Promise<void> {
    const status = this.state?.thread.status === "open" ? "closed" : "open";
    await api("PATCH", `/chat/threads/${this.threadId}/status`, { status });
  }

  /** Load what lies above. The first page overlaps with what is shown, so it may take a second one to add something. */
  async loadOlder(): Promise<void> {
    if (!this.state || this.history?.loading || this.history?.cursor === null) return;
    this.history = { cursor: this.history?.cursor ?? "", loading: true };
    const known = this.state.messages.length;
    try {
      const before = this.history.cursor ? `&before=${encodeURIComponent(this.history.cursor)}` : "";
      const page = await api<Feed<Message>>("GET", `/chat/threads/${this.threadId}/messages?limit=50${before}`);
      this.history = { cursor: page.next_cursor, loading: false };
      if (this.closed) return;
      const height = scroller.scrollHeight;
      this.show(withMessages(this.state, page.items));
      scroller.scrollTop += scroller.scrollHeight - height;
    } catch (error) {
      this.history.loading = false;
      throw error;
    }
    byId("beginning").hidden = this.history.cursor !== null;
    if (this.state.messages.length === known) await this.loadOlder();
  }

  private begin(state: ThreadState): void {
    this.history = undefined;
    this.show(state);
    toBottom();
    if (scroller.scrollHeight <= scroller.clientHeight) void trying(() => this.loadOlder());
  }

  private show(state: ThreadState): void {
    const stick = atBottom();
    this.state = state;
    this.drawHead(state.thread);
    this.drawPeople();
    this.draw();
    if (stick) toBottom();
    this.seen();
  }

  private draw(): void {
    list(byId("messages"), this.bubbles(), (bubble) => bubble.key, bubbleRow);
  }

  private bubbles(): Bubble[] {
    const { messages = [], participants = [] } = this.state ?? {};
    const names = new Map(participants.map((one) => [one.user_id, one.name]));
    const mine = new Set(messages.filter((message) => message.sender_id === this.me.id).map((message) => message.key));
    for (const key of mine) this.sent.delete(key);
    const drafts = [...this.sent.values(), ...this.client.outbox.drafts(this.channel)].filter((draft) => !mine.has(draft.key));
    return [
      ...messages.map((message): Bubble => {
        const own = message.sender_id === this.me.id;
        return {
          key: own ? message.key : message.id, mine: own, who: own ? null : (names.get(message.sender_id) ?? null),
          body: message.body, at: message.created_at, mark: own ? mark(participants, message) : null,
        };
      }),
      ...drafts.map((draft): Bubble => ({
        key: draft.key, mine: true, who: null, body: draft.body, at: draft.at, mark: this.sent.has(draft.key) ? "sent" : "sending",
      })),
    ];
  }

  private drawPeople(): void {
    const { here } = this;
    const others = (here && this.state?.participants.filter((one) => one.user_id !== this.me.id)) ?? [];
    list(byId("people"), others.map(({ user_id, name }) => ({ user_id, name, here: here!.includes(user_id) })), (one) => one.user_id, (one) =>
      h("li", { "data-here": String(one.here) }, `${one.name} is ${one.here ? "here" : "away"}`));
  }

  private drawHead(thread: ThreadState["thread"]): void {
    byId("thread-title").textContent = titleOf(thread, this.me);
    byId("status").textContent = thread.status === "open" ? "Close" : "Reopen";
  }
}

/** Who one talks with; a support thread that no advisor has taken yet has nobody else in it. */
export function titleOf(thread: ThreadState["thread"], me: User): string {
  const others = thread.participants.filter((one) => one.user_id !== me.id).map((one) => one.name);
  return thread.subject || others.join(", ") || "An advisor will be with you";
}

function bubbleRow(bubble: Bubble): HTMLElement {
  const words = { sending: "Sending…", sent: "Sent", read: "Read" };
  return h("li", { class: `${bubble.mine ? "mine" : ""} ${bubble.mark ?? ""}` },
    bubble.who !== null && h("p", { class: "who" }, bubble.who),
    h("p", { class: "body" }, bubble.body),
    h("p", { class: "foot" }, h("time", { datetime: bubble.at }, when(bubble.at)), bubble.mark && h("span", { class: "mark" }, words[bubble.mark])));
}

function atBottom(): boolean {
  return scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 60;
}

function toBottom(): void {
  scroller.scrollTop = scroller.scrollHeight;
}
