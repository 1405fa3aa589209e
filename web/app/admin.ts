import type { Account, HubNode, HubNodes, Page, ShownBoard, User } from "../client/index.ts";
import { api, currentUser } from "./api.ts";
import { mountBell } from "./bell.ts";
import { confirmed } from "./dialog.ts";
import { byId, h, list, toast, trying, when } from "./dom.ts";
import { mountHeader, showConnection } from "./header.ts";
import { connect } from "./live.ts";

const REFRESH_MS = 2000;
const BOARDS_EVERY = 3;
const count = new Intl.NumberFormat();

function start(user: User): void {
  mountHeader(user);
  mountBell(connect(user), user);
  const isAdmin = user.role === "admin";
  byId("page").hidden = !isAdmin;
  byId("not-here").hidden = isAdmin;
  byId("connection").hidden = !isAdmin;
  if (!isAdmin) return;
  byId("find").addEventListener("submit", (event) => { event.preventDefault(); void trying(find); });
  void refresh();
}

let refreshes = 0;

/** Nodes report every few seconds; there is no channel for it. */
async function refresh(): Promise<void> {
  try {
    const { items, redis_mode } = await api<HubNodes>("GET", "/hub/nodes");
    draw(items, redis_mode);
    if (refreshes++ % BOARDS_EVERY === 0) await refreshBoards();
    showConnection(true, "Live");
  } catch (error) {
    showConnection(false, `Not live – ${error instanceof Error ? error.message : String(error)}`);
  }
  setTimeout(() => void refresh(), REFRESH_MS);
}

/** Which boards are on screens is known by way of Redis only: without it the nodes are still shown. */
async function refreshBoards(): Promise<void> {
  const boards = await api<{ items: ShownBoard[] }>("GET", "/hub/boards").then(({ items }) => items, () => undefined);
  list(byId("boards"), boards ?? [], (board) => board.queue_id, (board) => h("tr", {},
    h("td", {}, board.clinic_name), h("td", {}, board.queue_name), h("td", {}, count.format(board.screens))));
  byId("no-boards").hidden = !!boards?.length;
  byId("no-boards").textContent = boards ? "No board is on a screen." : "This cannot be said just now: Redis is away.";
}

function draw(nodes: HubNode[], redisMode: HubNodes["redis_mode"]): void {
  const sum = (of: (node: HubNode) => number) => nodes.reduce((total, node) => total + of(node), 0);
  const figures: [string, string][] = [
    ["Nodes", count.format(nodes.length)],
    ["Sockets", count.format(sum((node) => node.sockets))],
    ["Streams", count.format(sum((node) => node.event_streams))],
    ["Deliveries a second", rate(sum((node) => node.deliveries_per_second))],
    ["Sent a second", size(sum((node) => node.bytes_per_second))],
    ["Redis", redisMode],
  ];
  list(byId("figures"), figures, ([name]) => name, ([name, value]) => h("li", {}, h("b", {}, value), name));
  list(byId("nodes"), nodes.map(({ seen_at: _, ...shown }) => shown), (node) => node.id, row);
  byId("no-nodes").hidden = nodes.length > 0;
}

function row(node: Omit<HubNode, "seen_at">): HTMLElement {
  const state = node.is_draining ? "Leaving" : node.is_connected ? "Connected" : "Without Redis";
  return h("tr", {},
    h("td", {}, node.name),
    h("td", {}, h("time", { datetime: node.started_at }, when(node.started_at))),
    h("td", { class: state === "Connected" ? undefined : "bad" }, state),
    ...[node.sockets, node.event_streams, node.users, node.channels].map((value) => h("td", {}, count.format(value))),
    h("td", {}, rate(node.deliveries_per_second)),
    h("td", {}, size(node.bytes_per_second)));
}

async function find(): Promise<void> {
  const search = byId<HTMLFormElement>("find").querySelector("input")!.value.trim();
  const { items } = await api<Page<Account>>("GET", `/users?limit=20&is_active=true&search=${encodeURIComponent(search)}`);
  list(byId("people"), items, (one) => one.id, person);
  byId("nobody").hidden = items.length > 0;
}

function person(one: Account): HTMLElement {
  return h("li", {},
    h("strong", {}, one.name),
    h("span", { class: "muted" }, `${one.email} · ${one.role}`),
    h("button", { type: "button", class: "danger", click: () => void trying(() => disconnect(one)) }, "Disconnect"));
}

async function disconnect(one: Account): Promise<void> {
  if (!(await confirmed(`Disconnect ${one.name} (${one.email}) everywhere?`))) return;
  await api("POST", "/hub/disconnect", { user_id: one.id });
  toast(`${one.name} was disconnected.`);
}

function rate(perSecond: number): string {
  return count.format(Number(perSecond.toPrecision(3)));
}

function size(bytes: number): string {
  const step = bytes >= 1e6 ? 2 : bytes >= 1e3 ? 1 : 0;
  return `${rate(bytes / 1000 ** step)} ${["B", "kB", "MB"][step]}`;
}

void trying(async () => start(await currentUser()));
