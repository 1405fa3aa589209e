import type { ChannelEvent, Inbox, Notification } from "./types.ts";

const KEPT = 20;

/**
 * What a user was told, after one more event: `notification.upserted` {notification, unread}, `notification.removed`
 * {id, unread}, `notifications.read` {unread}. Keeps the newest 20, as the snapshot does. Pure.
 */
export function applyToInbox(inbox: Inbox, event: ChannelEvent): Inbox {
  const data = event.data as { unread: number; id: string; notification: Notification };
  switch (event.name) {
    case "notification.upserted": return { unread: data.unread, notifications: withOne(inbox.notifications, data.notification) };
    case "notification.removed":
      return { unread: data.unread, notifications: inbox.notifications.filter((one) => one.id !== data.id) };
    case "notifications.read":
      return { unread: data.unread, notifications: inbox.notifications.map((one) => ({ ...one, is_read: true })) };
    default: return inbox;
  }
}

function withOne(notifications: Notification[], one: Notification): Notification[] {
  return [one, ...notifications.filter((other) => other.id !== one.id)]
    .sort((a, b) => Date.parse(b.updated_at) - Date.parse(a.updated_at))
    .slice(0, KEPT);
}
