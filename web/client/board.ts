import type { Announcement, Board, BoardTicket, ChannelEvent } from "./types.ts";

/**
 * A board after one more event: `ticket.upserted` {ticket}, `ticket.removed` {id}, `announcement.upserted` {announcement},
 * `announcement.removed` {id}. Events of a later version change nothing. Pure: what came in is left as it was.
 */
export function applyToBoard(board: Board, event: ChannelEvent): Board {
  const data = event.data as { id: string; ticket: BoardTicket; announcement: Announcement };
  switch (event.name) {
    case "ticket.upserted": return { ...board, tickets: [...without(board.tickets, data.ticket.id), data.ticket] };
    case "ticket.removed": return { ...board, tickets: without(board.tickets, data.id) };
    case "announcement.upserted":
      return { ...board, announcements: [...without(board.announcements, data.announcement.id), data.announcement] };
    case "announcement.removed": return { ...board, announcements: without(board.announcements, data.id) };
    default: return board;
  }
}

/** Who is asked to come, newest call first. */
export function nowServing(board: Board): BoardTicket[] {
  return board.tickets
    .filter((ticket) => ticket.status !== "waiting")
    .sort((a, b) => inTime(b.called_at ?? "", a.called_at ?? "") || compare(a.code, b.code));
}

/** Who waits, in the order in which they are called: priority, then arrival, then code. */
export function waiting(board: Board): BoardTicket[] {
  return board.tickets
    .filter((ticket) => ticket.status === "waiting")
    .sort((a, b) => b.priority - a.priority || inTime(a.arrived_at, b.arrived_at) || compare(a.code, b.code));
}

function without<T extends { id: string }>(items: T[], id: string): T[] {
  return items.filter((item) => item.id !== id);
}

/** Browsers parse to the millisecond; within one, the digits that follow decide. */
function inTime(a: string, b: string): number {
  return (Date.parse(a) || 0) - (Date.parse(b) || 0) || compare(a, b);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
