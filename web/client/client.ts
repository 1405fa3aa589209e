import { backoff, verdict } from "./backoff.ts";
import { Channel, type Handlers } from "./channel.ts";
import type { Options } from "./options.ts";
import { browserShelf, Outbox, type Draft } from "./outbox.ts";
import type { Ack, ClientFrame, Refusal, ServerFrame, Subscribed } from "./types.ts";

type Timer = ReturnType<typeof setTimeout>;
const HELLO_MS = 10_000;
/** The hub's close code for a socket that nobody signed in on. */
export const UNAUTHENTICATED = 4001;

/** One socket, many channels: reconnects, resumes, and says when what it shows may no longer be so. */
export class Carebell {
  readonly outbox: Outbox;
  private readonly channels = new Map<string, Channel>();
  private readonly waiting = new Map<string, (answer: Ack | Refusal) => void>();
  private readonly reads = new Map<string, number>();
  private readonly random: () => number;
  private socket: WebSocket | undefined;
  private open = false;
  private degraded = false;
  private stopped = false;
  private attempt = 0;
  private lastId = 0;
  /** The send command that is under way: one at a time, so that messages keep their order whatever is refused or lost. */
  private sending: string | undefined;
  private heartbeatMs = HELLO_MS;
  /** When the last frame came (milliseconds since 1970): until then the page was certainly right. */
  heardAt = Date.now();
  private silence: Timer | undefined;
  private retry: Timer | undefined;

  constructor(private readonly options: Options = {}) {
    this.random = options.random ?? Math.random;
    this.outbox = new Outbox(options.shelf ?? browserShelf(), options.user ?? "anyone");
    globalThis.addEventListener?.("online", this.wake);
    globalThis.addEventListener?.("offline", this.lose);
    globalThis.document?.addEventListener("visibilitychange", this.wake);
    void this.connect();
  }

  /** Follow a channel. The answer ends it. */
  subscribe(name: string, handlers: Handlers): () => void {
    const channel = new Channel(name, handlers, this.ask);
    this.channels.set(name, channel);
    if (this.open) this.ask(channel);
    return () => {
      channel.close();
      if (this.channels.get(name) !== channel) return;
      this.channels.delete(name);
      this.write({ type: "unsubscribe", id: this.nextId(), channel: name });
    };
  }

  /** Send a message: kept until acknowledged, sent again under the same key after every reconnect. */
  send(channel: string, body: string): Draft {
    const draft = this.outbox.add(channel, body);
    this.flush();
    return draft;
  }

  /** Everything up to `seq` was read. Only ever moves forward, and survives a lost connection. */
  read(channel: string, seq: number): void {
    if (seq <= (this.reads.get(channel) ?? 0)) return;
    this.reads.set(channel, seq);
    this.write({ type: "read", channel, seq });
  }

  /** Say that somebody types; worth nothing later, so it is not kept. */
  typing(channel: string, on: boolean): void {
    this.write({ type: "typing", channel, on });
  }

  /** Put a fresh token on the living socket. */
  authenticate(token: string): void {
    this.write({ type: "auth", id: this.nextId(), token });
  }

  /** Leave for good. */
  close(): void {
    this.stop();
    globalThis.removeEventListener?.("online", this.wake);
    globalThis.removeEventListener?.("offline", this.lose);
    globalThis.document?.removeEventListener("visibilitychange", this.wake);
    for (const channel of this.channels.values()) channel.close();
  }

  private async connect(): Promise<void> {
    this.retry = undefined;
    const { ticket, token } = this.options;
    const url = new URL(this.options.url ?? "/api/v1/ws", globalThis.location?.href.replace(/^http/, "ws"));
    let hello: ClientFrame;
    try {
      if (ticket) url.searchParams.set("ticket", await ticket());
      hello = token ? { type: "hello", token: await token() } : { type: "hello" };
    } catch {
      return this.lost(0, "no credentials to be had");
    }
    if (this.stopped || this.socket) return;
    const socket = new WebSocket(url, "carebell.v1");
    this.socket = socket;
    this.listen(HELLO_MS);
    socket.onopen = () => socket.send(JSON.stringify(hello));
    socket.onmessage = (message) => this.socket === socket && this.receive(JSON.parse(String(message.data)) as ServerFrame);
    socket.onclose = (close) => this.socket === socket && this.lost(close.code, close.reason);
  }

  private receive(frame: ServerFrame): void {
    this.heardAt = Date.now();
    this.listen(this.heartbeatMs * 2);
    switch (frame.type) {
      case "welcome": return this.welcome(frame.user, frame.heartbeat_s);
      case "subscribed": return this.subscribed(frame);
      case "event": return this.channels.get(frame.channel)?.event(frame);
      case "signal": return this.channels.get(frame.channel)?.signal(frame.name, frame.data);
      case "conflated": return this.channels.get(frame.channel)?.conflated(frame);
      case "resync": return this.channels.get(frame.channel)?.catchUp();
      case "heartbeat": return this.heartbeat(frame.heads);
      case "degraded": return this.trust(false);
      case "recovered": return this.trust(true);
      case "expiring": return void this.freshen();
      case "goodbye": return this.leaveIn(frame.reconnect_after_ms);
      case "ack": return this.answer(frame);
      case "error": return this.open || frame.error_code !== "AUTHENTICATION" ? this.answer(frame) : this.turnedAway(frame.detail);
    }
  }

  /** The sign-in of this socket ends soon. Without a fresh one the hub closes it, and the next connection brings one. */
  private async freshen(): Promise<void> {
    const { fresh, token, ticket } = this.options;
    const supply = fresh ?? token ?? ticket;
    const socket = this.socket;
    const credential = await supply?.().catch(() => undefined);
    if (credential && this.socket === socket) this.authenticate(credential);
  }

  private welcome(user: string | null, heartbeat_s: number): void {
    if (this.options.user !== undefined && user !== this.options.user) {
      // The session ran out, and the hub took us for a visitor: to close is ours to do.
      return this.turnedAway("not signed in");
    }
    this.heartbeatMs = heartbeat_s * 1000;
    this.listen(this.heartbeatMs * 2);
    this.open = true;
    this.degraded = false;
    this.options.connection?.(true);
    for (const channel of this.channels.values()) this.ask(channel);
    this.flush();
    this.repeatReads();
  }

  /** The token of `hello` is none any more. The hub would wait some seconds for a better one. */
  private turnedAway(reason: string): void {
    this.disconnect();
    void this.plead(UNAUTHENTICATED, reason);
  }

  private subscribed(frame: Subscribed): void {
    this.waiting.delete(frame.id ?? "");
    this.channels.get(frame.channel)?.subscribed(frame, !this.degraded);
  }

  private heartbeat(heads: Record<string, number>): void {
    this.attempt = 0; // A connection that lives to its first heartbeat is a good one.
    for (const [name, seq] of Object.entries(heads)) this.channels.get(name)?.head(seq);
  }

  private trust(trusted: boolean): void {
    this.degraded = !trusted;
    for (const channel of this.channels.values()) trusted ? channel.settle(true) : channel.distrust();
  }

  private answer(frame: Ack | Refusal): void {
    // The hub counts frames before it reads them: a refusal for haste does not say whose it is.
    if (frame.id === undefined) {
      if (frame.type === "error" && frame.retry_after) this.later(frame.retry_after);
      return;
    }
    const taker = this.waiting.get(frame.id);
    this.waiting.delete(frame.id);
    taker?.(frame);
  }

  private readonly ask = (channel: Channel): void => {
    if (!this.open) return;
    channel.asking = this.command((id) => ({ type: "subscribe", id, channel: channel.name, ...channel.position, ...(channel.handlers.counted === false && { present: false }) }), (answer) => {
      if (answer.type === "ack" || channel.asking !== answer.id) return;
      channel.refuse(answer);
      if (answer.retry_after) setTimeout(() => this.channels.get(channel.name) === channel && channel.catchUp(), answer.retry_after * 1000);
    });
  };

  /** Send the oldest draft; its acknowledgement sends the next. */
  private flush(): void {
    const [draft] = this.outbox.drafts();
    if (!this.open || this.sending || !draft) return;
    const { channel, key, body } = draft;
    this.sending = this.command((id) => ({ type: "send", id, channel, key, body }), (answer) => {
      if (answer.id !== this.sending) return;
      this.sending = undefined;
      if (answer.type === "error" && answer.retry_after) return this.later(answer.retry_after);
      this.outbox.remove(key);
      this.options.outcome?.(answer.type === "ack" ? { draft, ack: answer } : { draft, refusal: answer });
      this.flush();
    });
  }

  /** Too fast, or a part of the server is away: ask once more for whatever has had no answer. */
  private later(seconds: number): void {
    setTimeout(() => {
      this.sending = undefined;
      this.flush();
      for (const channel of this.channels.values()) if (channel.asking) this.ask(channel);
      this.repeatReads();
    }, seconds * 1000);
  }

  private repeatReads(): void {
    for (const [channel, seq] of this.reads) this.write({ type: "read", channel, seq });
  }

  private command(frame: (id: string) => ClientFrame, taker: (answer: Ack | Refusal) => void): string {
    const id = this.nextId();
    this.waiting.set(id, taker);
    this.write(frame(id));
    return id;
  }

  private nextId(): string {
    return String(++this.lastId);
  }

  private write(frame: ClientFrame): void {
    if (this.open) this.socket?.send(JSON.stringify(frame));
  }

  /** Expect to hear something within `ms`; a socket that stays silent is dead, whatever TCP believes. */
  private listen(ms: number): void {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => {
      for (const channel of this.channels.values()) channel.distrust();
      this.lose();
    }, ms);
  }

  /** The server goes away soon and has drawn our lot: keep listening until then, and come back as it asked. */
  private leaveIn(ms: number): void {
    clearTimeout(this.retry);
    this.retry = setTimeout(() => {
      this.disconnect();
      void this.connect();
    }, ms);
  }

  private readonly lose = (): void => {
    if (this.socket) this.lost(0, "no sign of life");
  };

  /** Awake again, or online: a socket that slept is tried at once, and nobody waits for a timer that was set before. */
  private readonly wake = (): void => {
    if (globalThis.document?.visibilityState === "hidden" || this.stopped) return;
    if (this.socket && Date.now() - this.heardAt > this.heartbeatMs * 2) this.lose();
    if (!this.socket && this.retry !== undefined) {
      clearTimeout(this.retry);
      void this.connect();
    }
  };

  private disconnect(): void {
    const socket = this.socket;
    this.socket = undefined;
    clearTimeout(this.silence);
    this.waiting.clear();
    this.sending = undefined;
    for (const channel of this.channels.values()) channel.disconnected();
    if (this.open) this.options.connection?.(false);
    this.open = false;
    socket?.close(1000);
  }

  private lost(code: number, reason: string): void {
    this.disconnect();
    if (this.stopped || this.retry !== undefined) return;
    const wish = verdict(code);
    if (wish === "stop") return void this.plead(code, reason);
    const now = wish === "now" && this.attempt === 0;
    this.again(now ? 0 : backoff(this.attempt + (wish === "slow" ? 3 : 0), this.random));
  }

  private async plead(code: number, reason: string): Promise<void> {
    const worthIt = this.attempt < 3 && (await this.options.refused?.(code, reason));
    if (worthIt && !this.stopped) this.again(backoff(this.attempt, this.random));
    else this.stop();
  }

  private again(ms: number): void {
    this.attempt += 1;
    this.retry = setTimeout(() => void this.connect(), ms);
  }

  private stop(): void {
    this.stopped = true;
    clearTimeout(this.retry);
    this.disconnect();
  }
}
