import type { Invitation, Page } from "../client/index.ts";
import { api } from "./api.ts";
import { nameOfClinic, offerClinics } from "./clinics.ts";
import { confirmed } from "./dialog.ts";
import { byId, h, list, toast, trying, when } from "./dom.ts";
import { onSubmit } from "./form.ts";

const PAGE = 10;
const dialog = byId<HTMLDialogElement>("invitation");
const form = byId<HTMLFormElement>("invitation-form");
let invitations: Invitation[] = [];
let page = 1;

/** The card of invitations, and the dialog that sends one. */
export async function mountInvitations(): Promise<void> {
  const role = form.elements.namedItem("role") as HTMLSelectElement;
  const clinic = form.elements.namedItem("clinic_id") as HTMLSelectElement;
  const forRole = () => {
    byId("invitation-clinic").hidden = role.value === "advisor";
    clinic.required = role.value !== "advisor";
  };
  role.addEventListener("change", forRole);
  byId("invite").addEventListener("click", () => {
    form.reset();
    offerClinics(clinic);
    forRole();
    dialog.showModal();
  });
  byId("invitation-cancel").addEventListener("click", () => dialog.close());
  byId("more-invitations").addEventListener("click", () => void trying(showMore));
  onSubmit(form, async ({ email, role: wanted, clinic_id }) => {
    await send(email!, wanted!, wanted === "advisor" ? undefined : clinic_id);
    dialog.close();
  });
  await showNewest();
}

async function send(email: string, role: string, clinicId: string | null | undefined): Promise<void> {
  await api("POST", "/invitations", { email, role, ...(clinicId ? { clinic_id: clinicId } : {}) });
  toast(`${email} gets a letter with a link.`);
  await showNewest();
}

async function showNewest(): Promise<void> {
  invitations = [];
  page = 0;
  await showMore();
}

async function showMore(): Promise<void> {
  page += 1;
  const { items, total } = await api<Page<Invitation>>("GET", `/invitations?limit=${PAGE}&page=${page}`);
  const known = new Set(invitations.map((one) => one.id));
  invitations = [...invitations, ...items.filter((one) => !known.has(one.id))];
  // Of several to one address only the newest can be used: the others say nothing that helps.
  const newest = invitations.filter((one, index) => invitations.findIndex((other) => other.email === one.email) === index);
  list(byId("invitations"), newest, (one) => one.id, row);
  byId("no-invitations").hidden = newest.length > 0;
  byId("more-invitations").hidden = page * PAGE >= total;
}

function row(one: Invitation): HTMLElement {
  const details = [one.role, one.clinic_id && nameOfClinic(one.clinic_id), inWords(one)];
  const isOpen = one.status === "open";
  return h("li", {},
    h("div", { class: "who" },
      h("strong", {}, one.email),
      h("span", { class: "muted" }, details.filter(Boolean).join(" · "))),
    h("span", { class: isOpen || one.status === "accepted" ? "state" : "state off" }, one.status),
    one.status !== "accepted" && h("button", { type: "button", class: "quiet", click: () => void trying(() => send(one.email, one.role, one.clinic_id)) }, isOpen ? "Send again" : "Invite again"),
    isOpen && h("button", { type: "button", class: "danger", click: () => void trying(() => revoke(one)) }, "Revoke"));
}

function inWords(one: Invitation): string {
  return one.status === "open" ? `until ${when(one.expires_at)}` : `sent ${when(one.created_at)}`;
}

async function revoke(one: Invitation): Promise<void> {
  if (!(await confirmed(`Revoke the invitation of ${one.email}? Its link stops working.`))) return;
  await api("DELETE", `/invitations/${one.id}`);
  toast(`The invitation of ${one.email} was revoked.`);
  await showNewest();
}
