import type { ApiKey, NewApiKey, User } from "../client/index.ts";
import { api } from "./api.ts";
import { confirmed } from "./dialog.ts";
import { byId, h, list, toast, trying, when } from "./dom.ts";
import { onSubmit } from "./form.ts";

/** What a key can be for, and the words for it; each can be read and written. */
const RESOURCES: [string, string][] = [
  ["queues", "Queues and tickets"], ["clinics", "Clinics"], ["doctors", "Doctors"], ["patients", "Patients"],
  ["appointments", "Appointments"], ["chat", "Chat"], ["notifications", "Notifications"], ["records", "Medical records"],
  ["billing", "Billing"], ["travel", "Travel"], ["analytics", "Analytics"],
];

/** The card of API keys: made, shown once, listed, ended. For everybody who works here; metrics are for administrators. */
export async function mountKeys(user: User): Promise<void> {
  byId("keys-card").hidden = false;
  byId("scopes").append(
    ...RESOURCES.map(([name, words]) => h("tr", {}, h("th", { scope: "row" }, words), cell(`${name}:read`), cell(`${name}:write`))),
    ...(user.role === "admin" ? [h("tr", {}, h("th", { scope: "row" }, "Metrics of the product"), cell("metrics:read"), h("td"))] : []));
  const form = byId<HTMLFormElement>("make-key");
  onSubmit(form, async ({ name, days }) => {
    const scopes = new FormData(form).getAll("scope");
    if (scopes.length === 0) throw new Error("Choose at least one thing that the key may do.");
    const made = await api<NewApiKey>("POST", "/api-keys", { name, scopes, expires_in_days: Number(days) });
    form.reset();
    byId("new-key").hidden = false;
    byId("key").textContent = made.key ?? "";
    byId("new-key").focus();
    await showKeys();
  });
  byId("key-kept").addEventListener("click", forget);
  await showKeys();
}

function cell(scope: string): HTMLElement {
  return h("td", {}, h("input", { type: "checkbox", name: "scope", value: scope, "aria-label": scope }));
}

function forget(): void {
  byId("new-key").hidden = true;
  byId("key").textContent = "";
}

async function showKeys(): Promise<void> {
  const { items } = await api<{ items: ApiKey[] }>("GET", "/api-keys");
  list(byId("keys"), items, (one) => one.id, row);
  byId("no-keys").hidden = items.length > 0;
}

function row(one: ApiKey): HTMLElement {
  const details = [`…${one.hint}`, one.scopes.join(", "), one.last_used_at > one.created_at ? `last used ${when(one.last_used_at)}` : "not used yet", `until ${when(one.expires_at)}`];
  return h("li", {},
    h("strong", {}, one.name),
    h("span", { class: "muted" }, details.join(" · ")),
    h("button", { type: "button", class: "danger", click: () => void trying(() => revoke(one)) }, "Revoke"));
}

async function revoke(one: ApiKey): Promise<void> {
  if (!(await confirmed(`Revoke the key ${one.name}? What uses it stops working at once.`))) return;
  await api("DELETE", `/api-keys/${one.id}`);
  forget();
  await showKeys();
  toast(`The key ${one.name} was revoked.`);
}
