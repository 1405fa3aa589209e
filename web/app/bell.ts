import { applyToInbox } from "../client/inbox.ts";
import type { Carebell, Inbox, Notification, User } from "../client/index.ts";
import { api } from "./api.ts";
import { byId, h, list, toast, trying, when } from "./dom.ts";

/** The bell of the page's header: counts what is unread, lists the last notifications, live. `changed` is told of news. */
export function mountBell(client: Carebell, user: User, changed: () => void = () => undefined): void {
  let inbox: Inbox = { unread: 0, notifications: [] };
  const take = (next: Inbox) => {
    draw((inbox = next));
    changed();
  };
  byId("bell-all").addEventListener("click", () => void trying(() => api("PATCH", "/notifications/read-all")));
  client.subscribe(`user:${user.id}`, {
    snapshot: (state) => take(state as Inbox),
    event: (event) => take(applyToInbox(inbox, event)),
    refused: (refusal) => toast(refusal.detail),
  });
}

function draw({ unread, notifications }: Inbox): void {
  byId("bell").setAttribute("aria-label", unread ? `Notifications, ${unread} unread` : "Notifications");
  byId("bell-count").textContent = unread ? (unread > 99 ? "99+" : String(unread)) : "";
  byId("bell-empty").hidden = notifications.length > 0;
  byId<HTMLButtonElement>("bell-all").disabled = unread === 0;
  list(byId("bell-list"), notifications, (one) => one.id, row);
}

function row(one: Notification): HTMLElement {
  const open = () => trying(async () => {
    if (!one.is_read) await api("PATCH", `/notifications/${one.id}/read`);
    const thread = one.data["thread_id"];
    if (typeof thread === "string") location.assign(`/chat#${thread}`);
  });
  return h("li", { class: one.is_read ? "" : "unread" },
    h("button", { type: "button", click: () => void open() },
      h("strong", {}, one.title, one.count > 1 && ` (${one.count})`),
      h("span", {}, one.body),
      h("time", { datetime: one.updated_at }, when(one.updated_at))));
}
