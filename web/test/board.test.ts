import assert from "node:assert/strict";
import { test } from "node:test";
import { applyToBoard, nowServing, waiting } from "../client/board.ts";
import type { Board, BoardTicket } from "../client/types.ts";

function ticket(code: string, more: Partial<BoardTicket> = {}): BoardTicket {
  return {
    id: code, code, status: "waiting", priority: 0, arrived_at: "2026-01-05T08:00:00Z",
    counter: null, called_at: null, recalls: 0, ...more,
  };
}

function board(...tickets: BoardTicket[]): Board {
  const queue = { id: "q", name: "Blood tests", prefix: "A", clinic_name: "North", time_zone: "Europe/Berlin" };
  return { queue, tickets, announcements: [] };
}

const event = (name: string, data: unknown) => ({ seq: 1, name, at: "", data });

test("a ticket comes, changes and goes, and the board before stays as it was", () => {
  const empty = board();
  const one = applyToBoard(empty, event("ticket.upserted", { ticket: ticket("A-1") }));
  const called = applyToBoard(one, event("ticket.upserted", { ticket: ticket("A-1", { status: "called" }) }));
  assert.deepEqual(empty.tickets, []);
  assert.deepEqual(called.tickets.map((each) => [each.code, each.status]), [["A-1", "called"]]);
  assert.deepEqual(applyToBoard(called, event("ticket.removed", { id: "A-1" })).tickets, []);
});

test("the same event twice leaves the same board", () => {
  const change = event("ticket.upserted", { ticket: ticket("A-2") });
  const once = applyToBoard(board(ticket("A-1")), change);
  assert.deepEqual(applyToBoard(once, change), once);
});

test("waiting: priority first, then arrival, then code", () => {
  const state = board(
    ticket("A-3"), ticket("A-2"), ticket("A-9", { priority: 2 }), ticket("A-1", { arrived_at: "2026-01-05T09:00:00Z" }));
  assert.deepEqual(waiting(state).map((each) => each.code), ["A-9", "A-2", "A-3", "A-1"]);
});

test("times of any precision are compared as times", () => {
  const state = board(ticket("A-1", { arrived_at: "2026-01-05T08:00:00.500000Z" }), ticket("A-2", { arrived_at: "2026-01-05T08:00:00Z" }));
  assert.deepEqual(waiting(state).map((each) => each.code), ["A-2", "A-1"]);
});

test("now serving: the newest call first, called and serving alike", () => {
  const state = board(
    ticket("A-1", { status: "serving", called_at: "2026-01-05T08:10:00Z" }),
    ticket("A-2", { status: "called", called_at: "2026-01-05T08:20:00Z" }), ticket("A-3"));
  assert.deepEqual(nowServing(state).map((each) => each.code), ["A-2", "A-1"]);
});

test("announcements come and go; a name it does not know changes nothing", () => {
  const said = applyToBoard(board(), event("announcement.upserted", { announcement: { id: "n", body: "Back at two" } }));
  assert.equal(said.announcements[0]?.body, "Back at two");
  assert.deepEqual(applyToBoard(said, event("announcement.removed", { id: "n" })).announcements, []);
  assert.equal(applyToBoard(said, event("weather.changed", {})), said);
});
