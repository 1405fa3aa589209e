import type { OutboxSms } from "../client/types.ts";
import { api } from "./api.ts";
import { byId, h, list, when } from "./dom.ts";

const REFRESH_MS = 3000;

async function refresh(): Promise<void> {
  try {
    const { items } = await api<{ items: OutboxSms[] }>("GET", "/dev/outbox");
    list(byId("messages"), items, (sms) => sms.id, row);
    byId("empty").hidden = items.length > 0;
    byId("refusal").hidden = true;
  } catch (error) {
    byId("refusal").textContent = error instanceof Error ? error.message : String(error);
    byId("refusal").hidden = false;
  }
  setTimeout(() => void refresh(), REFRESH_MS);
}

function row(sms: OutboxSms): HTMLElement {
  return h("tr", {}, h("td", {}, h("time", { datetime: sms.created_at }, when(sms.created_at))), h("td", {}, sms.to), h("td", { class: "text" }, ...withLinks(sms.body)));
}

/** The links of a text as links: letters are there to be followed. */
function withLinks(text: string): (Node | string)[] {
  return text.split(/(https?:\/\/\S+)/).map((part, index) => (index % 2 ? h("a", { href: part }, part) : part));
}

void refresh();
