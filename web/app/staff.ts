import type { Carebell, Clinic, Page, Queue, QueueState, Ticket, User } from "../client/index.ts";
import { api, currentUser } from "./api.ts";
import { mountBell } from "./bell.ts";
import { answer, confirmed } from "./dialog.ts";
import { byId, debounce, h, list, toast, trying } from "./dom.ts";
import { mountHeader, showConnection } from "./header.ts";
import { connect } from "./live.ts";
import { mountScreens, showScreens } from "./screens.ts";
import { actionsOn, inWords, type Action } from "./tickets.ts";

const clinicBox = byId<HTMLSelectElement>("clinic");
const queueBox = byId<HTMLSelectElement>("queue");
const counterBox = byId<HTMLSelectElement>("counter");
let client: Carebell;
let tickets: Ticket[] = [];
let unfollow = () => {};

async function start(user: User): Promise<void> {
  mountHeader(user);
  client = connect(user);
  mountBell(client, user);
  clinicBox.addEventListener("change", () => void trying(chooseClinic));
  queueBox.addEventListener("change", () => void trying(chooseQueue));
  counterBox.addEventListener("change", () => { remember("counter", counterBox.value); draw(); });
  byId("next").addEventListener("click", () => void trying(callNext));
  byId("add").addEventListener("click", () => void trying(addTicket));
  mountScreens();
  const { items } = await api<Page<Clinic>>("GET", "/clinics?limit=100");
  options(clinicBox, items, "clinic");
  await chooseClinic();
}

async function chooseClinic(): Promise<void> {
  remember("clinic", clinicBox.value);
  const queues = await api<Queue[]>("GET", `/clinics/${clinicBox.value}/queues`);
  options(queueBox, queues, "queue");
  await chooseQueue();
  await showScreens(clinicBox.value, queues);
}

async function chooseQueue(): Promise<void> {
  remember("queue", queueBox.value);
  unfollow();
  byId<HTMLAnchorElement>("board").href = `/board/${queueBox.value}`;
  unfollow = client.subscribe(`board:${queueBox.value}`, {
    snapshot: soon,
    event: soon,
    state: (state) => showConnection(state === "live", state === "live" ? "Live" : "Not live – reconnecting"),
    refused: (refusal) => toast(refusal.detail),
  });
  options(counterBox, (await refresh()).queue.counters, "counter");
  draw();
}

/** The board says that something changed; the list for staff says what. */
const soon = debounce(100, () => void trying(refresh));

async function refresh(): Promise<QueueState> {
  const wanted = queueBox.value;
  const { queues } = await api<{ queues: QueueState[] }>("GET", `/queue/current?queue_id=${wanted}`);
  const state = queues.find((one) => one.queue.id === wanted);
  if (!state) throw new Error("This queue is gone.");
  if (wanted === queueBox.value) tickets = state.tickets;
  draw();
  return state;
}

function draw(): void {
  const mine = tickets.filter((one) => isCalled(one) && one.counter?.id === counterBox.value);
  const waiting = tickets.filter((one) => one.status === "waiting").sort(inOrder);
  const elsewhere = tickets.filter((one) => !mine.includes(one) && one.status !== "waiting" && actionsOn(one.status).length > 0);
  list(byId("mine"), mine, (one) => one.id, card);
  list(byId("waiting"), waiting, (one) => one.id, row);
  list(byId("elsewhere"), elsewhere, (one) => one.id, row);
  byId("nobody").hidden = mine.length > 0;
  byId("no-waiting").hidden = waiting.length > 0;
  byId("no-elsewhere").hidden = elsewhere.length > 0;
  byId("waiting-count").textContent = waiting.length ? String(waiting.length) : "";
  byId("next-code").textContent = waiting[0]?.code ?? "";
  byId<HTMLButtonElement>("next").disabled = !waiting.length || !counterBox.value;
}

function card(ticket: Ticket): HTMLElement {
  return h("li", {},
    h("p", { class: "muted" }, inWords(ticket.status), ticket.recalls > 0 && ` · recalled ${ticket.recalls}×`, ticket.patient && ` · ${ticket.patient.name}`),
    h("p", { class: "code" }, ticket.code),
    h("div", { class: "actions" }, ...actionsOn(ticket.status).map((action) => button(ticket, action))));
}

function row(ticket: Ticket): HTMLElement {
  const details = [
    ticket.status === "waiting" ? `since ${clock(ticket.arrived_at)}` : inWords(ticket.status),
    isCalled(ticket) && ticket.counter?.name,
    ticket.priority > 0 && "priority",
    ticket.patient?.name,
  ];
  return h("li", {},
    h("span", { class: "code" }, ticket.code),
    h("span", { class: "muted" }, details.filter(Boolean).join(" · ")),
    h("span", { class: "actions" }, ...actionsOn(ticket.status).map((action) => button(ticket, action))));
}

function button(ticket: Ticket, action: Action): HTMLElement {
  const act = async () => {
    if (action.confirm && !(await confirmed(`${ticket.code}: ${action.confirm}`))) return;
    const counter = action.status === "called" && !isCalled(ticket) ? { counter_id: counterBox.value } : {};
    await api("PATCH", `/queue/${ticket.id}/status`, { status: action.status, version: ticket.version, ...counter });
  };
  return h("button", { type: "button", class: action.kind, click: () => void trying(() => act().finally(refresh)) }, action.label);
}

async function callNext(): Promise<void> {
  const next = byId<HTMLButtonElement>("next");
  next.disabled = true; // A second press while the first is under way would call two patients.
  try {
    await api("POST", "/queue/call-next", { queue_id: queueBox.value, counter_id: counterBox.value });
  } finally {
    await refresh();
  }
}

async function addTicket(): Promise<void> {
  const dialog = byId<HTMLDialogElement>("ticket");
  const form = dialog.querySelector("form")!;
  form.reset();
  if ((await answer(dialog)) !== "ok") return;
  const { phone, priority } = Object.fromEntries(new FormData(form)) as Record<string, string>;
  const body = { queue_id: queueBox.value, channel: "walk_in", priority: Number(priority), ...(phone ? { phone } : {}) };
  const ticket = await api<Ticket>("POST", "/queue/tickets", body);
  toast(`Ticket ${ticket.code} was added.`);
  await refresh();
}

function options(box: HTMLSelectElement, items: { id: string; name: string }[], slot: string): void {
  box.replaceChildren(...items.map((item) => h("option", { value: item.id }, item.name)));
  const last = localStorage.getItem(`carebell.desk.${slot}`);
  if (items.some((item) => item.id === last)) box.value = last!;
}

/** A desk stays the same from day to day: keep its choice on this machine. */
function remember(slot: string, value: string): void {
  localStorage.setItem(`carebell.desk.${slot}`, value);
}

function isCalled(ticket: Ticket): boolean {
  return ticket.status === "called" || ticket.status === "serving";
}

function inOrder(a: Ticket, b: Ticket): number {
  return b.priority - a.priority || a.arrived_at.localeCompare(b.arrived_at) || a.code.localeCompare(b.code);
}

function clock(time: string): string {
  return new Intl.DateTimeFormat(undefined, { timeStyle: "short" }).format(new Date(time));
}

void trying(async () => start(await currentUser()));
