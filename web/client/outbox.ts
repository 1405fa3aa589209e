import type { Ack, Refusal } from "./types.ts";

/** A message that somebody wrote and the server has not acknowledged yet. */
export interface Draft { key: string; channel: string; body: string; at: string }

/** What became of a draft: acknowledged, or refused for good. */
export type Outcome = { draft: Draft; ack: Ack } | { draft: Draft; refusal: Refusal };

/** The part of `Storage` that is used, so that a page without localStorage can live from memory. */
export type Shelf = Pick<Storage, "getItem" | "setItem">;

export function memoryShelf(): Shelf {
  const held = new Map<string, string>();
  return { getItem: (name) => held.get(name) ?? null, setItem: (name, value) => void held.set(name, value) };
}

/** localStorage where the browser allows it; a private window may refuse. */
export function browserShelf(): Shelf {
  try {
    localStorage.getItem("carebell");
    return localStorage;
  } catch {
    return memoryShelf();
  }
}

/** 128 random bits; `randomUUID` is missing on plain-HTTP origins. */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Messages on their way, oldest first, kept on the shelf until the server says that it has them. Each carries a key under
 * which the server stores it once, however often it is sent. Read from the shelf each time: another tab shares it.
 */
export class Outbox {
  private readonly slot: string;

  constructor(private readonly shelf: Shelf, user: string) {
    this.slot = `carebell.outbox.${user}`;
  }

  drafts(channel?: string): Draft[] {
    const all = JSON.parse(this.shelf.getItem(this.slot) ?? "[]") as Draft[];
    return channel === undefined ? all : all.filter((draft) => draft.channel === channel);
  }

  add(channel: string, body: string): Draft {
    const draft = { key: newKey(), channel, body, at: new Date().toISOString() };
    this.keep([...this.drafts(), draft]);
    return draft;
  }

  remove(key: string): void {
    this.keep(this.drafts().filter((draft) => draft.key !== key));
  }

  private keep(drafts: Draft[]): void {
    this.shelf.setItem(this.slot, JSON.stringify(drafts));
  }
}
