import type { TicketPublic } from "../client/types.ts";
import { byId } from "./dom.ts";

const REFRESH_MS = 5000;
const FINAL = ["completed", "cancelled", "left", "transferred"];

const link = location.pathname.split("/").filter(Boolean).at(-1) ?? "";
let heardAt = Date.now();
let next: ReturnType<typeof setTimeout> | undefined;

/** Ask for the ticket every few seconds, and say so when no answer comes: the link works without signing in. */
async function refresh(): Promise<void> {
  clearTimeout(next);
  try {
    const response = await fetch(`/api/v1/queue/tickets/${encodeURIComponent(link)}`, { cache: "no-store" });
    if (response.status === 404) return say("—", "This link is not valid, or no longer.", "");
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    heardAt = Date.now();
    const ticket = (await response.json()) as TicketPublic;
    show(ticket);
    if (FINAL.includes(ticket.status)) return;
  } catch (error) {
    console.warn(error);
    stale();
  }
  next = setTimeout(() => void refresh(), REFRESH_MS);
}

function show(ticket: TicketPublic): void {
  document.body.dataset["status"] = ticket.status;
  delete document.body.dataset["stale"];
  byId("band").hidden = true;
  document.title = `${ticket.code} – Carebell`;
  say(ticket.code, ...words(ticket));
}

function words({ status, counter, position, estimate }: TicketPublic): [string, string] {
  const place = counter?.name ?? "the desk";
  switch (status) {
    case "waiting":
      return [
        position === 1 ? "You are next" : `${(position ?? 1) - 1} before you`,
        estimate ? `About ${estimate.low_minutes} to ${estimate.high_minutes} minutes` : "",
      ];
    case "called": return [`Please come to ${place}`, ""];
    case "serving": return [`You are at ${place}`, ""];
    case "on_hold": return ["On hold", "The desk will call you. Please stay near."];
    case "no_show": return ["You were called and did not come", "Please go to the desk."];
    case "completed": return ["Thank you for your visit", ""];
    case "transferred": return ["You were sent on to another queue", "Please ask the desk for your new ticket."];
    default: return ["This ticket is no longer valid", ""];
  }
}

function stale(): void {
  document.body.dataset["stale"] = "";
  const time = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" }).format(heardAt);
  byId("band").textContent = `Not live since ${time} – please listen for the desk`;
  byId("band").hidden = false;
}

/** Only what changed is written, so that a screen reader says it once. */
function say(code: string, headline: string, detail: string): void {
  for (const [id, text] of Object.entries({ code, headline, detail })) {
    if (byId(id).textContent !== text) byId(id).textContent = text;
  }
}

addEventListener("online", () => void refresh());
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && void refresh());
void refresh();
