import type { BoardTicket, Carebell, ChannelEvent, Clinic, Page, Queue, QueueState, Ticket, User } from "../client/index.ts";
import { api, currentUser } from "./api.ts";
import { mountBell } from "./bell.ts";
import { answer, confirmed } from "./dialog.ts";
import { byId, h, list, spaced, toast, trying } from "./dom.ts";
import { mountHeader, showConnection, worksAtDesk } from "./header.ts";
import { connect } from "./live.ts";
import { mountScreens, showScreens } from "./screens.ts";
import { actionsOn, inWords, type Action } from "./tickets.ts";

const clinicBox = byId<HTMLSelectElement>("clinic");
const queueBox = byId<HTMLSelectElement>("queue");
const counterBox = byId<HTMLSelectElement>("counter");
let client: Carebell;
/** A user has a hundred requests a minute, and a busy board more changes than that. */
const REFRESH_MS = 3000;
let tickets: Ticket[] = [];
/** Tickets that the board has changed since they were read: which version they have now is not known here. */
let changed = new Set<string>();
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
  const { items } = worksAtDesk(user) ? await api<Page<Clinic>>("GET", "/clinics?limit=100") : { items: [] };
  if (!items.length) return nothingHere(worksAtDesk(user) ? "no-clinic" : "not-here");
  options(clinicBox, items, "clinic");
  await chooseClinic();
}

/** Say why there is no desk, and what to do about it. */
function nothingHere(why: string): void {
  byId(why).hidden = false;
  byId("page").hidden = true;
  byId("connection").hidden = true;
}

async function chooseClinic(): Promise<void> {
  remember("clinic", clinicBox.value);
  const queues = await api<Queue[]>("GET", `/clinics/${clinicBox.value}/queues`);
  options(queueBox, queues, "queue");
  byId("no-queue").hidden = queues.length > 0;
  byId("work").hidden = queues.length === 0;
  if (queues.length) await chooseQueue();
  await showScreens(clinicBox.value, queues);
}

async function chooseQueue(): Promise<void> {
  remember("queue", queueBox.value);
  unfollow();
  byId<HTMLAnchorElement>("board").href = `/board/${queueBox.value}`;
  unfollow = client.subscribe(`board:${queueBox.value}`, {
    snapshot: soon,
    event: apply,
    state: (state) => showConnection(state === "live", state === "live" ? "Live" : "Not live – reconnecting"),
    refused: (refusal) => toast(refusal.detail),
    counted: false, // A desk is no screen.
    presence: (present) => (byId("shown").textContent = shownOn(present?.screens)),
  });
  options(counterBox, (await refresh()).queue.counters, "counter");
  draw();
}

function shownOn(screens: number | undefined): string {
  if (screens === undefined) return "";
  return screens ? `On ${screens} ${screens === 1 ? "screen" : "screens"}` : "On no screen";
}

/** The list for staff, with names, and with those whom no board shows. */
const soon = spaced(REFRESH_MS, () => void trying(refresh));

/** What the board says is true at once. Who is new, or has left it, is looked up a little later. */
function apply({ data }: ChannelEvent): void {
  const { ticket } = data as { ticket?: BoardTicket };
  const known = tickets.find((one) => one.id === ticket?.id);
  if (ticket && known) {
    changed.add(ticket.id);
    tickets = tickets.map((one) => (one === known ? ({ ...one, ...ticket } as Ticket) : one));
    draw();
  }
  soon();
}

/** What this desk did itself is known from the answer. */
function take(ticket: Ticket): void {
  changed.add(ticket.id);
  tickets = [...tickets.filter((one) => one.id !== ticket.id), ticket];
  draw();
}

async function refresh(): Promise<QueueState> {
  const wanted = queueBox.value;
  changed = new Set();
  const { queues } = await api<{ queues: QueueState[] }>("GET", `/queue/current?queue_id=${wanted}`);
  const state = queues.find((one) => one.queue.id === wanted);
  if (!state) throw new Error("This queue is gone.");
  if (wanted === queueBox.value) {
    // While the list was on its way the board went on, and the list may be from before that.
    const newer = new Map(tickets.filter((one) => changed.has(one.id)).map((one) => [one.id, one]));
    tickets = state.tickets.map((one) => newer.get(one.id) ?? one);
    if (newer.size > 0) soon();
  }
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
    const version = changed.has(ticket.id) ? {} : { version: ticket.version };
    try {
      take(await api<Ticket>("PATCH", `/queue/${ticket.id}/status`, { status: action.status, ...version, ...counter }));
    } catch (refused) {
      soon();
      throw refused;
    }
  };
  return h("button", { type: "button", class: action.kind, click: () => void trying(act) }, action.label);
}

async function callNext(): Promise<void> {
  const next = byId<HTMLButtonElement>("next");
  next.disabled = true; // A second press while the first is under way would call two patients.
  try {
    take(await api<Ticket>("POST", "/queue/call-next", { queue_id: queueBox.value, counter_id: counterBox.value }));
  } finally {
    soon();
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
  soon();
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
