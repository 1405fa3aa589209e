import type { Account, AccountPage, User } from "../client/index.ts";
import { mountAccount, openAccount } from "./account-dialog.ts";
import { api, currentUser } from "./api.ts";
import { mountBell } from "./bell.ts";
import { nameOfClinic, readClinics } from "./clinics.ts";
import { byId, h, list, spaced, trying } from "./dom.ts";
import { mountHeader } from "./header.ts";
import { mountInvitations } from "./invitations.ts";
import { connect } from "./live.ts";

const form = byId<HTMLFormElement>("find");
const more = byId<HTMLButtonElement>("more-accounts");
const count = new Intl.NumberFormat();
let accounts: Account[] = [];
let next: string | null = null;
let asked = 0;

async function start(user: User): Promise<void> {
  mountHeader(user);
  byId("connection").hidden = true;
  mountBell(connect(user), user);
  byId("not-here").hidden = user.role === "admin";
  if (user.role !== "admin") return;
  await readClinics();
  mountAccount(user.id);
  form.addEventListener("submit", (event) => { event.preventDefault(); void trying(find); });
  form.addEventListener("input", spaced(300, () => void trying(find)));
  more.addEventListener("click", () => void trying(showMore));
  const shown = Promise.all([find(), mountInvitations()]);
  // Only now: a button that is seen can be pressed.
  byId("page").hidden = false;
  await shown;
}

/** The first page of what is searched for now. */
async function find(): Promise<void> {
  const mine = ++asked;
  const page = await read();
  // Somebody has typed on: the answer to that is the one to show.
  if (mine !== asked) return;
  accounts = page.items;
  show(page);
}

async function showMore(): Promise<void> {
  if (next === null) return;
  const mine = asked;
  const page = await read(next);
  if (mine !== asked) return;
  const first = accounts.length;
  accounts = [...accounts, ...page.items];
  show(page);
  byId("accounts").children[first]?.querySelector("button")?.focus();
}

function read(cursor?: string): Promise<AccountPage> {
  const wanted = [...new FormData(form)].filter(([, value]) => value !== "").map(([name, value]) => [name, String(value).trim()]);
  const query = new URLSearchParams([...wanted, ["limit", "20"], ...(cursor ? [["cursor", cursor]] : [])]);
  return api<AccountPage>("GET", `/users?${query}`);
}

function show(page: AccountPage): void {
  next = page.next_cursor;
  more.hidden = next === null;
  byId("found").textContent = `${count.format(page.total)} ${page.total === 1 ? "account" : "accounts"}`;
  draw();
}

function draw(): void {
  list(byId("accounts"), accounts, (one) => one.id, row);
  byId("nobody").hidden = accounts.length > 0;
}

function row(one: Account): HTMLElement {
  const clinics = one.clinic_ids.map(nameOfClinic).join(", ");
  return h("li", {},
    h("div", { class: "who" },
      h("strong", {}, one.name),
      h("span", { class: "muted" }, [one.email, one.role, clinics].filter(Boolean).join(" · "))),
    !one.is_active && h("span", { class: "state off" }, "Deactivated"),
    h("button", { type: "button", class: "quiet", "aria-label": `Manage ${one.name}`, click: () => openAccount(one, changed) }, "Manage"));
}

/** What the dialog made of somebody stands in the list, and stays there even if it was not searched for so. */
function changed(account: Account): void {
  accounts = accounts.map((one) => (one.id === account.id ? account : one));
  draw();
}

void trying(async () => start(await currentUser()));
