import type { TicketStatus } from "../client/types.ts";

/** Something staff can do with a ticket: the status it leads to, and how it is asked. */
export interface Action { label: string; status: TicketStatus; kind: "main" | "quiet" | "danger"; confirm?: string }

const BACK: Action = { label: "Back to waiting", status: "waiting", kind: "quiet" };
const HOLD: Action = { label: "Hold", status: "on_hold", kind: "quiet" };
const CANCEL: Action = { label: "Cancel", status: "cancelled", kind: "danger", confirm: "Cancel this ticket for good?" };

/** What each status allows here: the state machine of tickets, as far as a desk uses it. */
const ACTIONS: Partial<Record<TicketStatus, Action[]>> = {
  called: [
    { label: "Serve", status: "serving", kind: "main" },
    { label: "Recall", status: "called", kind: "quiet" },
    { label: "No show", status: "no_show", kind: "quiet" },
    BACK,
  ],
  serving: [{ label: "Complete", status: "completed", kind: "main" }, HOLD, BACK],
  waiting: [HOLD, CANCEL],
  on_hold: [{ label: "Call", status: "called", kind: "main" }, BACK, CANCEL],
  no_show: [BACK],
};

const WORDS: Record<TicketStatus, string> = {
  waiting: "waiting", called: "called", serving: "being served", on_hold: "on hold", no_show: "did not come",
  completed: "completed", cancelled: "cancelled", left: "left", transferred: "transferred",
};

export function actionsOn(status: TicketStatus): Action[] {
  return ACTIONS[status] ?? [];
}

export function inWords(status: TicketStatus): string {
  return WORDS[status];
}
