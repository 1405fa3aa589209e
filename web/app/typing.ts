import type { Carebell, Participant, User } from "../client/index.ts";
import { byId } from "./dom.ts";

const SAY_AGAIN_MS = 3000;
const FORGET_MS = 6000;

/** Who types in one thread, told and shown. Either side forgets it by itself: a "stopped" may get lost. */
export class Typing {
  private readonly others = new Map<string, { name: string; timer: ReturnType<typeof setTimeout> }>();
  private saidAt = 0;
  private quiet: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly client: Carebell, private readonly channel: string, private readonly me: User) {
    this.draw();
  }

  /** Tell the others, seldom enough not to flood them, and that it stopped when nothing follows. */
  say(on: boolean): void {
    clearTimeout(this.quiet);
    if (on) this.quiet = setTimeout(() => this.say(false), FORGET_MS - 1000);
    if (on ? Date.now() - this.saidAt < SAY_AGAIN_MS : this.saidAt === 0) return;
    this.saidAt = on ? Date.now() : 0;
    this.client.typing(this.channel, on);
  }

  /** A message went out: whoever receives it knows that the typing is over. */
  sent(): void {
    clearTimeout(this.quiet);
    this.saidAt = 0;
  }

  signal(name: string, data: unknown, participants: Participant[]): void {
    if (name !== "typing") return;
    const { user_id, on } = data as { user_id: string; on: boolean };
    this.stopped(user_id);
    if (!on || user_id === this.me.id) return;
    const who = participants.find((one) => one.user_id === user_id)?.name ?? "Somebody";
    this.others.set(user_id, { name: who, timer: setTimeout(() => this.stopped(user_id), FORGET_MS) });
    this.draw();
  }

  stopped(user_id: string): void {
    clearTimeout(this.others.get(user_id)?.timer);
    this.others.delete(user_id);
    this.draw();
  }

  close(): void {
    this.say(false);
    for (const { timer } of this.others.values()) clearTimeout(timer);
  }

  private draw(): void {
    const names = [...this.others.values()].map((one) => one.name);
    byId("typing").textContent = names.length ? `${names.join(" and ")} ${names.length > 1 ? "are" : "is"} typing…` : "";
  }
}
