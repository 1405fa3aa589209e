import { Carebell, UNAUTHENTICATED, type Pairing, type PairingPoll } from "../client/index.ts";
import { ApiError, api } from "./api.ts";
import { followBoard } from "./board-view.ts";
import { byId } from "./dom.ts";
import { SESSION_REVOKED } from "./live.ts";

/** What this screen keeps: its key, and the one board that the key opens. */
interface Paired { token: string; queue_id: string }

const SLOT = "carebell.screen";
const PAUSE_MS = 5000;
const GONE = 404;

/** Show the board that this screen was connected with, or else a code to connect it by. */
export function startScreen(): void {
  const kept = localStorage.getItem(SLOT);
  if (kept) showBoard(JSON.parse(kept) as Paired);
  else void pair("");
}

function showBoard({ token, queue_id }: Paired): void {
  const client = new Carebell({
    token: async () => token,
    refused: async (code) => {
      if (code === UNAUTHENTICATED || code === SESSION_REVOKED) {
        localStorage.removeItem(SLOT);
        leave();
        client.close();
        void pair("This screen was taken down. It can be connected again.");
      }
      return false;
    },
  });
  const leave = followBoard(client, queue_id);
}

/** Show one code after another until staff have confirmed one; `words` say why there is no board. */
async function pair(words: string): Promise<void> {
  document.body.dataset["state"] = "pairing";
  byId("why").textContent = words;
  for (;;) {
    try {
      const paired = await confirmation(await api<Pairing>("POST", "/screens/pairings"));
      if (!paired) continue;
      localStorage.setItem(SLOT, JSON.stringify(paired));
      return showBoard(paired);
    } catch (error) {
      say(error);
      await pause(PAUSE_MS);
    }
  }
}

/** Undefined when the code ran out before anybody confirmed it. A poll that fails is repeated: the code still stands. */
async function confirmation({ code, secret, interval = PAUSE_MS / 1000 }: Pairing): Promise<Paired | undefined> {
  byId("pairing-code").textContent = code;
  byId("pairing-state").textContent = "Waiting for staff to confirm this code.";
  for (;;) {
    await pause(interval * 1000);
    try {
      const { token, screen } = await api<PairingPoll>("POST", `/screens/pairings/${code}/poll`, { secret });
      byId("pairing-state").textContent = "Waiting for staff to confirm this code.";
      if (token && screen) return { token, queue_id: screen.queue_id };
    } catch (error) {
      if (error instanceof ApiError && error.problem.status === GONE) return undefined;
      say(error);
    }
  }
}

function say(error: unknown): void {
  byId("pairing-state").textContent = error instanceof Error ? error.message : String(error);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
