import { mock } from "node:test";
import type { ServerFrame } from "../client/types.ts";

type Sent = Record<string, unknown> & { type: string; id?: string };

/** A scripted hub: the one place where a fake transport is right, because the test decides when the network breaks. */
export class FakeSocket {
  static all: FakeSocket[] = [];
  static get last(): FakeSocket {
    return FakeSocket.all.at(-1)!;
  }

  onopen: (() => void) | undefined;
  onmessage: ((message: { data: string }) => void) | undefined;
  onclose: ((close: { code: number; reason: string }) => void) | undefined;
  sent: Sent[] = [];
  closedWith: number | undefined;

  constructor(readonly url: URL, readonly protocol: string) {
    FakeSocket.all.push(this);
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Sent);
  }

  close(code: number): void {
    this.closedWith = code;
  }

  /** The frames of one type that the client sent. */
  of(type: string): Sent[] {
    return this.sent.filter((frame) => frame.type === type);
  }

  say(...frames: ServerFrame[]): void {
    for (const frame of frames) this.onmessage?.({ data: JSON.stringify(frame) });
  }

  welcome(heartbeat_s = 10, user: string | null = "u"): this {
    this.onopen?.();
    const limits = { frame_bytes: 65_536, channels: 100, commands_per_second: 20 };
    this.say({ type: "welcome", connection: "c", user, heartbeat_s, limits });
    return this;
  }

  event(seq: number, channel = "board:q"): void {
    this.say({ type: "event", channel, seq, name: "ticket.removed", at: "", data: { id: String(seq) } });
  }

  snapshot(seq: number, channel = "board:q", epoch = "e1"): void {
    this.say({ type: "subscribed", id: this.asked(channel), channel, epoch, seq, mode: "snapshot", state: { at: seq } });
  }

  resume(from: number, to: number, channel = "board:q", epoch = "e1"): void {
    const events = Array.from({ length: to - from }, (_, i) => ({ seq: from + i + 1, name: "x", at: "", data: {} }));
    this.say({ type: "subscribed", id: this.asked(channel), channel, epoch, seq: to, mode: "resume", events });
  }

  drop(code = 1006): void {
    this.onclose?.({ code, reason: "" });
  }

  private asked(channel: string): string {
    return this.of("subscribe").filter((frame) => frame["channel"] === channel).at(-1)!.id!;
  }
}

/** Let promises run: connecting awaits its credentials. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.resolve();
}

/** Move the clock, and let what it started run. */
export async function after(ms: number): Promise<void> {
  mock.timers.tick(ms);
  await settled();
}
