import { applyToBoard, nowServing, waiting } from "../client/board.ts";
import type { Board, BoardTicket, Carebell, ChannelState, Refusal } from "../client/index.ts";
import { BoardStream, type Taker } from "./board-stream.ts";
import { Chime } from "./chime.ts";
import { byId, h, list } from "./dom.ts";

const MOST_CARDS = 8;
const FLASH_MS = 12_000;
/** Without a socket for so long, the board comes by Server-Sent Events: this network may block sockets. */
const FALLBACK_MS = 3000;

const chime = new Chime();
/** The last call of each ticket that was heard here, and when: by this screen's clock, which may differ from the server's. */
let heard = new Map<string, { call: string; at: number }>();
let board: Board | undefined;
let state: ChannelState = "connecting";
let refusal: Refusal | undefined;
let staleSince = 0;

/** Show the board of a queue from now on, in place of any that was shown before. The answer ends it. */
export function followBoard(client: Carebell, queueId: string): () => void {
  board = refusal = undefined;
  state = "connecting";
  drawBand();
  const onScreen: Taker = {
    snapshot: show,
    event: (event) => board && show(applyToBoard(board, event)),
    state: (next, heardAt) => {
      state = next;
      staleSince = heardAt;
      refusal = undefined;
      drawBand();
    },
  };
  let stream: BoardStream | undefined;
  let patience: ReturnType<typeof setTimeout> | undefined;
  let leave = followBySocket();

  function followBySocket(): () => void {
    const wait = () => (patience ??= setTimeout(followByStream, FALLBACK_MS));
    wait();
    return client.subscribe(`board:${queueId}`, {
      snapshot: (next) => onScreen.snapshot(next as Board),
      event: onScreen.event,
      state: (next) => {
        if (next === "live") stop();
        else wait();
        onScreen.state(next, client.heardAt);
      },
      refused: (why) => {
        stop();
        refusal = why;
        drawBand();
      },
    });
  }

  function followByStream(): void {
    let isFirst = true;
    stream = new BoardStream(queueId, {
      ...onScreen,
      snapshot: (next) => {
        onScreen.snapshot(next);
        if (!isFirst) return;
        isFirst = false;
        // From here on the stream is ahead: should a socket open, it begins with a whole board as well.
        leave();
        leave = followBySocket();
      },
    });
  }

  function stop(): void {
    clearTimeout(patience);
    stream?.close();
    patience = stream = undefined;
  }

  return () => {
    stop();
    leave();
  };
}

function show(next: Board): void {
  const first = board === undefined;
  board = next;
  document.title = `${next.queue.name} – ${next.queue.clinic_name}`;
  byId("clinic").textContent = next.queue.clinic_name;
  byId("queue").textContent = next.queue.name;
  announceCalls(nowServing(next), first);
  drawServing(nowServing(next));
  drawWaiting(waiting(next));
  list(byId("announcements"), next.announcements, (one) => one.id, (one) => h("li", {}, one.body));
  drawClock();
  drawBand();
}

/** Flash, chime and say each call and recall once; not those that were there when the screen was switched on. */
function announceCalls(tickets: BoardTicket[], silently: boolean): void {
  const called = tickets.filter((ticket) => ticket.status === "called");
  const fresh = called.filter((ticket) => heard.get(ticket.id)?.call !== callOf(ticket));
  const at = silently ? 0 : Date.now();
  heard = new Map(called.map((ticket) => [ticket.id, fresh.includes(ticket) ? { call: callOf(ticket), at } : heard.get(ticket.id)!]));
  if (silently || fresh.length === 0) return;
  chime.ring();
  byId("call-out").textContent = fresh.map((ticket) => `${ticket.code}, please go to ${ticket.counter?.name ?? "the desk"}.`).join(" ");
}

function callOf(ticket: BoardTicket): string {
  return `${ticket.called_at} ${ticket.recalls}`;
}

function isFresh(ticket: BoardTicket): boolean {
  return Date.now() - (heard.get(ticket.id)?.at ?? 0) < FLASH_MS;
}

function drawServing(tickets: BoardTicket[]): void {
  const cards = tickets.slice(0, MOST_CARDS).map((ticket) => ({ ...ticket, fresh: isFresh(ticket) }));
  const place = byId("serving");
  place.dataset["count"] = String(cards.length);
  byId("nobody").hidden = cards.length > 0;
  list(place, cards, (ticket) => ticket.id, (ticket) =>
    h("li", { class: `${ticket.status}${ticket.fresh ? " fresh" : ""}` },
      h("span", { class: "code" }, ticket.code),
      h("span", { class: "counter" }, ticket.counter?.name ?? "Please come to the desk")));
}

function drawWaiting(tickets: BoardTicket[]): void {
  byId("waiting-count").textContent = tickets.length ? String(tickets.length) : "";
  byId("nobody-waiting").hidden = tickets.length > 0;
  list(byId("waiting"), tickets, (ticket) => ticket.id, (ticket) => h("li", { class: "code" }, ticket.code));
  fitWaiting();
}

/** A screen on a wall cannot be scrolled: show the codes that fit, and say how many more there are. */
function fitWaiting(): void {
  const place = byId("waiting");
  const codes = [...place.children] as HTMLElement[];
  for (const code of codes) code.hidden = false;
  const hidden = codes.filter((code) => code.offsetTop + code.offsetHeight > place.offsetTop + place.clientHeight + 1);
  for (const code of hidden) code.hidden = true;
  byId("more").textContent = hidden.length ? `and ${hidden.length} more` : "";
}

function drawBand(): void {
  document.body.dataset["state"] = refusal ? "stale" : state;
  const band = byId("band");
  band.hidden = state === "live" && !refusal;
  if (refusal) band.textContent = `This board cannot be shown: ${refusal.detail}`;
  else if (state === "connecting") band.textContent = "Connecting…";
  else if (state === "stale") band.textContent = `Not live since ${clock(staleSince)} – please listen for the desk`;
}

function drawClock(): void {
  if (board) byId("clock").textContent = clock(Date.now());
}

function clock(time: number): string {
  return new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit", timeZone: board?.queue.time_zone }).format(time);
}

function drawSound(): void {
  byId("sound").textContent = chime.ready ? "Chime is on" : "Turn the chime on";
  byId("sound").setAttribute("aria-pressed", String(chime.ready));
}

byId("sound").addEventListener("click", (event) => {
  event.stopPropagation();
  chime.on = !chime.ready;
  void chime.unlock().then(drawSound);
});
addEventListener("pointerdown", () => void chime.unlock().then(drawSound), { once: true });
addEventListener("keydown", () => void chime.unlock().then(drawSound), { once: true });
new ResizeObserver(fitWaiting).observe(byId("waiting"));
setInterval(drawClock, 1000);
