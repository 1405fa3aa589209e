import type { Preferences, User } from "../client/index.ts";
import { api } from "./api.ts";
import { byId, h, trying } from "./dom.ts";

const PATH = "/notifications/preferences";
const WORDS: Record<string, string> = {
  "ticket.called": "When my ticket is called",
  "message.received": "When I have not read a message for a while",
};

/** The card of what comes by text message. Each choice is kept at once. */
export async function mountPreferences(user: User): Promise<void> {
  const { sms } = await api<Preferences>("GET", PATH);
  // Tickets are called for patients only.
  const offered = Object.keys(sms).filter((type) => user.role === "patient" || type !== "ticket.called");
  byId("sms").append(...offered.map((type) => choice(type, sms[type]!)));
  byId("sms-card").hidden = false;
}

function choice(type: string, isWanted: boolean): HTMLElement {
  const box = h("input", { type: "checkbox", checked: isWanted, change: () => void trying(() => keep(type, box)) });
  return h("li", {}, h("label", {}, box, WORDS[type] ?? type));
}

async function keep(type: string, box: HTMLInputElement): Promise<void> {
  byId("sms-news").textContent = "";
  try {
    await api("PATCH", PATH, { sms: { [type]: box.checked } });
  } catch (error) {
    box.checked = !box.checked;
    throw error;
  }
  byId("sms-news").textContent = "Saved.";
}
