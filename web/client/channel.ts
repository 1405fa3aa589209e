import type { ChannelEvent, Conflated, Position, Presence, Refusal, Subscribed } from "./types.ts";

/**
 * connecting: nothing has come yet. live: what is shown is what is. stale: it was, and nobody can say whether it still is.
 */
export type ChannelState = "connecting" | "live" | "stale";

/**
 * What a page does with a channel. Events come in order and once each; a snapshot replaces everything before it. Of a
 * board a slow reader misses events that a later one makes worthless.
 */
export interface Handlers {
  snapshot?(state: unknown, seq: number): void;
  event?(event: ChannelEvent): void;
  signal?(name: string, data: unknown): void;
  /** Who is there, all of it; undefined while nobody can say. */
  presence?(present: Presence | undefined): void;
  /** False: follow without being counted among those who are there. */
  counted?: boolean;
  state?(state: ChannelState): void;
  refused?(refusal: Refusal): void;
}

const GRACE_MS = 2000;

/** One subscription: its place in the log, and whether the page may trust what it shows. */
export class Channel {
  state: ChannelState = "connecting";
  position: Position | undefined;
  /** The id of the subscribe command that is under way. */
  asking: string | undefined;
  private grace: ReturnType<typeof setTimeout> | undefined;
  private present: Presence | undefined;

  constructor(readonly name: string, readonly handlers: Handlers, private readonly ask: (channel: Channel) => void) {}

  /** Take the answer to a subscription: a snapshot, or the events that were missed. Never a part of them. */
  subscribed(frame: Subscribed, trusted: boolean): void {
    if (frame.id !== undefined && frame.id !== this.asking) return;
    this.asking = undefined;
    if (frame.mode === "snapshot" || (frame.mode === "live" && !this.position)) {
      this.position = { epoch: frame.epoch, seq: frame.seq };
      if (frame.mode === "snapshot") this.handlers.snapshot?.(frame.state, frame.seq);
    } else {
      for (const event of frame.events ?? []) this.apply(event);
      if (this.position?.epoch !== frame.epoch || this.position.seq < frame.seq) {
        this.position = undefined;
        return this.catchUp();
      }
    }
    this.settle(trusted);
  }

  /** An event in its turn is applied, an old one dropped, one too early sends us back for what lies between. */
  event(event: ChannelEvent): void {
    if (!this.position || event.seq <= this.position.seq) return;
    if (event.seq > this.position.seq + 1) this.catchUp();
    else this.apply(event);
  }

  /** We read slowly: the newest event of each thing stands for all between `after` and `seq`. */
  conflated({ after, seq, events }: Conflated): void {
    if (!this.position || seq <= this.position.seq) return;
    if (after > this.position.seq) return this.catchUp();
    for (const event of events) if (event.seq > this.position.seq) this.take(event);
    this.position.seq = seq;
  }

  signal(name: string, data: unknown): void {
    if (name !== "presence") return this.handlers.signal?.(name, data);
    this.present = data as Presence;
    if (this.state === "live") this.handlers.presence?.(this.present);
  }

  /** A heartbeat told how far the channel is; if that is further than we are, something was lost on the way. */
  head(seq: number): void {
    if (this.position && seq > this.position.seq) this.catchUp();
  }

  /** Ask again from where we stand, unless that question is already under way. */
  catchUp(): void {
    if (this.asking) return;
    this.doubt();
    this.ask(this);
  }

  /** The server will not have us here: not live, and it says why. */
  refuse(refusal: Refusal): void {
    this.asking = undefined;
    this.distrust();
    this.handlers.refused?.(refusal);
  }

  /** What we show may be old. Two seconds of that are forgiven, so that a change of socket does not make a screen flicker. */
  doubt(): void {
    if (this.state === "live") this.grace ??= setTimeout(() => this.distrust(), GRACE_MS);
  }

  /** What we show is old, or might be: say so now. */
  distrust(): void {
    this.stopGrace();
    if (this.state === "live") this.turn("stale");
  }

  /** In step with the log again, if the hub itself is. */
  settle(trusted: boolean): void {
    if (!this.position || this.asking) return;
    this.stopGrace();
    this.turn(trusted ? "live" : "stale");
  }

  /** The socket is gone, and with it every answer that was under way. */
  disconnected(): void {
    this.asking = this.present = undefined;
    this.doubt();
  }

  close(): void {
    this.stopGrace();
  }

  private apply(event: ChannelEvent): void {
    if (this.position && event.seq === this.position.seq + 1) this.take(event);
  }

  private take(event: ChannelEvent): void {
    this.position!.seq = event.seq;
    this.handlers.event?.(event);
  }

  private turn(state: ChannelState): void {
    if (state === this.state) return;
    this.state = state;
    this.handlers.state?.(state);
    this.handlers.presence?.(state === "live" ? this.present : undefined);
  }

  private stopGrace(): void {
    clearTimeout(this.grace);
    this.grace = undefined;
  }
}
