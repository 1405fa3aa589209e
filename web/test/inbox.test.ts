import assert from "node:assert/strict";
import { test } from "node:test";
import { applyToInbox } from "../client/inbox.ts";
import type { Inbox, Notification } from "../client/types.ts";

function notification(id: number, more: Partial<Notification> = {}): Notification {
  const at = new Date(Date.UTC(2026, 0, 5, 8, id)).toISOString();
  return { id: String(id), type: "message.received", title: "", body: "", data: {}, count: 1, is_read: false, created_at: at, updated_at: at, ...more };
}

function inbox(...ids: number[]): Inbox {
  return { unread: ids.length, notifications: ids.map((id) => notification(id)) };
}

const event = (name: string, data: unknown) => ({ seq: 1, name, at: "", data });
const ids = (state: Inbox) => state.notifications.map((one) => one.id).join(" ");

test("a new one comes first, a changed one moves up, the oldest of more than twenty goes", () => {
  const three = applyToInbox(inbox(2, 1), event("notification.upserted", { notification: notification(3), unread: 3 }));
  assert.deepEqual([ids(three), three.unread], ["3 2 1", 3]);
  const again = notification(1, { count: 2, updated_at: notification(9).updated_at });
  assert.equal(ids(applyToInbox(three, event("notification.upserted", { notification: again, unread: 3 }))), "1 3 2");
  const full = inbox(...Array.from({ length: 20 }, (_, i) => 20 - i));
  const after = applyToInbox(full, event("notification.upserted", { notification: notification(30), unread: 21 }));
  assert.deepEqual([after.notifications.length, after.notifications.some((one) => one.id === "1")], [20, false]);
});

test("removing and reading all take the server's count", () => {
  const left = applyToInbox(inbox(2, 1), event("notification.removed", { id: "2", unread: 1 }));
  assert.deepEqual([ids(left), left.unread], ["1", 1]);
  const read = applyToInbox(left, event("notifications.read", { unread: 0 }));
  assert.deepEqual([read.unread, read.notifications.every((one) => one.is_read)], [0, true]);
  assert.equal(applyToInbox(read, event("digest.sent", {})), read);
});
