import type { Account } from "../client/index.ts";
import { api } from "./api.ts";
import { nameOfClinic, offerClinics } from "./clinics.ts";
import { confirmed } from "./dialog.ts";
import { byId, h, list, when } from "./dom.ts";

const dialog = byId<HTMLDialogElement>("account");
const roleBox = byId<HTMLFormElement>("account-role").elements.namedItem("role") as HTMLSelectElement;
const clinicBox = byId<HTMLFormElement>("add-clinic").elements.namedItem("clinic_id") as HTMLSelectElement;
let account: Account;
let me = "";
let changed: (account: Account) => void = () => undefined;

/** Make the dialog work; `myId` is the administrator who looks at it. */
export function mountAccount(myId: string): void {
  me = myId;
  on("account-role", "submit", changeRole);
  on("add-clinic", "submit", addClinic);
  on("account-leave", "click", signOutEverywhere);
  on("account-factor", "click", removeFactor);
  on("account-state", "click", () => (account.is_active ? deactivate() : change({ is_active: true }, "can sign in again.")));
  byId("account-close").addEventListener("click", () => dialog.close());
  // The browser goes back to the button that was pressed; what has changed has another one in its place.
  dialog.addEventListener("close", () => document.querySelector<HTMLElement>(`[data-key="${account.id}"] button`)?.focus());
}

/** Show somebody, to be changed; `told` hears of each change. */
export function openAccount(one: Account, told: (account: Account) => void): void {
  account = one;
  changed = told;
  byId("account-alert").hidden = true;
  byId("account-news").textContent = "";
  draw();
  dialog.showModal();
  byId("account-name").focus();
}

function on(id: string, event: string, work: () => Promise<void>): void {
  byId(id).addEventListener(event, (happened) => {
    happened.preventDefault();
    void attempt(work);
  });
}

/** Say in the dialog itself why something was refused: what is behind it cannot be read while it is open. */
async function attempt(work: () => Promise<void>): Promise<void> {
  const alert = byId("account-alert");
  alert.hidden = true;
  byId("account-news").textContent = "";
  try {
    await work();
  } catch (error) {
    alert.textContent = error instanceof Error ? error.message : String(error);
    alert.hidden = false;
  }
}

function draw(): void {
  const isMe = account.id === me;
  const worksInClinics = account.role === "doctor" || account.role === "staff";
  byId("account-name").textContent = account.name;
  byId("account-about").textContent = [account.email, account.phone, account.role, account.specialization ?? account.department, account.is_active ? `since ${when(account.created_at)}` : "deactivated"].filter(Boolean).join(" · ");
  byId("account-self").hidden = !isMe;
  byId("account-role").hidden = isMe;
  roleBox.value = account.role;
  byId("account-clinics").hidden = !worksInClinics;
  list(byId("clinics"), account.clinic_ids.map((id) => ({ id, name: nameOfClinic(id) })), (one) => one.id, clinicRow);
  byId("no-clinics").hidden = account.clinic_ids.length > 0;
  offerClinics(clinicBox, account.clinic_ids);
  byId("add-clinic").hidden = clinicBox.options.length === 0;
  byId("account-leave").hidden = isMe || !account.is_active;
  byId("account-factor").hidden = isMe || !account.is_active;
  byId("account-state").hidden = isMe;
  byId("account-state").textContent = account.is_active ? "Deactivate" : "Reactivate";
}

function clinicRow({ id, name }: { id: string; name: string }): HTMLElement {
  return h("li", {},
    h("span", { class: "who" }, name),
    h("button", { type: "button", class: "quiet", "aria-label": `Remove from ${name}`, click: () => void attempt(() => removeClinic(id, name)) }, "Remove"));
}

async function changeRole(): Promise<void> {
  const role = roleBox.value;
  if (role === account.role) return;
  if (!(await confirmed(`Make ${account.name} ${role}? They are signed out everywhere.`))) return;
  await change({ role }, `is ${role} now.`);
}

async function deactivate(): Promise<void> {
  if (!(await confirmed(`Deactivate ${account.name} (${account.email})? They are signed out at once and cannot sign in. Nothing is deleted.`))) return;
  await change({ is_active: false }, "is deactivated.");
}

async function change(what: { role?: string; is_active?: boolean }, words: string): Promise<void> {
  took(await api<Account>("PATCH", `/users/${account.id}`, what), words);
}

async function addClinic(): Promise<void> {
  const id = clinicBox.value;
  await api("PUT", `/clinics/${id}/members/${account.id}`);
  took({ ...account, clinic_ids: [...account.clinic_ids, id] }, `works in ${nameOfClinic(id)} now.`);
}

async function removeClinic(id: string, name: string): Promise<void> {
  if (!(await confirmed(`Shall ${account.name} work in ${name} no longer?`))) return;
  await api("DELETE", `/clinics/${id}/members/${account.id}`);
  took({ ...account, clinic_ids: account.clinic_ids.filter((one) => one !== id) }, `works in ${name} no longer.`);
  byId("account-name").focus();
}

async function signOutEverywhere(): Promise<void> {
  if (!(await confirmed(`Sign ${account.name} out on every device? Their API keys end as well.`))) return;
  await api("POST", "/hub/disconnect", { user_id: account.id });
  took(account, "was signed out everywhere.");
}

async function removeFactor(): Promise<void> {
  if (!(await confirmed(`Has ${account.name} lost their second factor? It is removed, and they are signed out everywhere.`))) return;
  await api("DELETE", `/users/${account.id}/second-factor`);
  took(account, "signs in without a second factor now.");
}

function took(now: Account, words: string): void {
  account = now;
  draw();
  byId("account-news").textContent = `${account.name} ${words}`;
  changed(account);
}
