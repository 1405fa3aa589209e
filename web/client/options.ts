import type { Outcome, Shelf } from "./outbox.ts";

/** Where to connect, as whom, and who wants to know. */
export interface Options {
  /** Address of the hub; by default `/api/v1/ws` of the page's own origin. */
  url?: string;
  /** The id of who must be signed in here; drafts are kept apart by it. */
  user?: string;
  /** A single-use ticket for each connection, where there is no session cookie. */
  ticket?: () => Promise<string>;
  /** An access token for each connection, told in the first frame. */
  token?: () => Promise<string>;
  /** A token or ticket for the living socket, whose sign-in ends soon; by default as for a new connection. */
  fresh?: () => Promise<string>;
  /** The server closed with a 40xx code. Answer true when it is worth another try: the session was renewed. */
  refused?: (code: number, reason: string) => Promise<boolean>;
  /** Is there a living connection? Called when that changes. */
  connection?: (open: boolean) => void;
  /** A draft was acknowledged or refused. */
  outcome?: (outcome: Outcome) => void;
  shelf?: Shelf;
  random?: () => number;
}
