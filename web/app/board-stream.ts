import type { Board, ChannelEvent, ChannelState } from "../client/index.ts";

type Timer = ReturnType<typeof setTimeout>;

/** What a page does with a board, whichever way it comes. */
export interface Taker {
  snapshot(board: Board): void;
  event(event: ChannelEvent): void;
  /** `heardAt`: when the last sign of life came, in milliseconds since 1970. */
  state(state: ChannelState, heardAt: number): void;
}

const EVENTS = ["ticket.upserted", "ticket.removed", "announcement.upserted", "announcement.removed"];
const GRACE_MS = 2000;
const REOPEN_MS = 2000;

/**
 * A board as Server-Sent Events, for networks that block WebSockets. The browser comes back by itself and says where it
 * was; what it cannot see (silence, a gap, a refusal) is seen here, and the stream opened anew.
 */
export class BoardStream {
  private source: EventSource | undefined;
  private seq = -1;
  private heardAt = 0;
  private heartbeatMs = 10_000;
  private silence: Timer | undefined;
  private grace: Timer | undefined;
  private again: Timer | undefined;

  constructor(private readonly queueId: string, private readonly taker: Taker) {
    this.open();
  }

  close(): void {
    this.source?.close();
    for (const timer of [this.silence, this.grace, this.again]) clearTimeout(timer);
  }

  private open(): void {
    this.close();
    const source = new EventSource(`/api/v1/queues/${this.queueId}/board/events`);
    this.source = source;
    this.listen();
    const on = (name: string, take: (data: unknown, seq: number) => void) => source.addEventListener(name, (message) => {
      this.heardAt = Date.now();
      this.listen();
      take(JSON.parse(message.data as string), Number(message.lastEventId.split(":").at(-1)));
    });
    on("welcome", (data) => {
      this.heartbeatMs = (data as { heartbeat_s: number }).heartbeat_s * 1000;
      this.listen();
    });
    on("snapshot", (board, seq) => {
      this.seq = seq;
      this.taker.snapshot(board as Board);
      this.live();
    });
    on("live", () => this.live());
    on("recovered", () => this.live());
    on("degraded", () => this.stale());
    on("heartbeat", (heads) => Object.values(heads as Record<string, number>).some((head) => head > this.seq) && this.lose());
    for (const name of EVENTS) on(name, (data, seq) => this.event({ seq, name, at: "", data }));
    source.onerror = () => {
      this.grace ??= setTimeout(() => this.stale(), GRACE_MS);
      // Refused: the browser does not ask again.
      if (source.readyState === EventSource.CLOSED) this.again = setTimeout(() => this.open(), REOPEN_MS);
    };
  }

  private event(event: ChannelEvent): void {
    if (event.seq > this.seq + 1) return this.lose();
    if (event.seq <= this.seq) return;
    this.seq = event.seq;
    this.taker.event(event);
  }

  /** Something is missing, or nothing comes: not live, and a new stream brings the whole board. */
  private lose(): void {
    this.stale();
    this.open();
  }

  private live(): void {
    clearTimeout(this.grace);
    this.grace = undefined;
    this.taker.state("live", this.heardAt);
  }

  private stale(): void {
    this.taker.state("stale", this.heardAt);
  }

  private listen(): void {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.lose(), this.heartbeatMs * 2);
  }
}
