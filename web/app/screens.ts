import type { Queue, Screen } from "../client/index.ts";
import { api } from "./api.ts";
import { confirmed } from "./dialog.ts";
import { byId, h, list, toast, trying, when } from "./dom.ts";
import { onSubmit } from "./form.ts";

let clinicId = "";
let queues: Queue[] = [];

/** The screens of a clinic on the desk's page: connected by the code that they show, and taken down. */
export function mountScreens(): void {
  const dialog = byId<HTMLDialogElement>("screen");
  const form = dialog.querySelector("form")!;
  byId("connect").addEventListener("click", () => {
    form.reset();
    form.querySelector<HTMLElement>("[role=alert]")!.hidden = true;
    byId("screen-queue").replaceChildren(...queues.map((queue) => h("option", { value: queue.id }, queue.name)));
    dialog.showModal();
  });
  byId("screen-cancel").addEventListener("click", () => dialog.close());
  onSubmit(form, async ({ code = "", queue_id, name }) => {
    const screen = await api<Screen>("POST", `/screens/pairings/${encodeURIComponent(code)}/confirm`, { queue_id, name });
    dialog.close();
    toast(`${screen.name} is connected, and shows its board in a moment.`);
    await refresh();
  });
}

/** Show the screens of that clinic from now on. */
export async function showScreens(clinic: string, itsQueues: Queue[]): Promise<void> {
  clinicId = clinic;
  queues = itsQueues;
  byId<HTMLButtonElement>("connect").disabled = queues.length === 0;
  await refresh();
}

async function refresh(): Promise<void> {
  const wanted = clinicId;
  const { items } = await api<{ items: Screen[] }>("GET", `/screens?clinic_id=${wanted}`);
  if (wanted !== clinicId) return;
  list(byId("screens"), items, (one) => one.id, row);
  byId("no-screens").hidden = items.length > 0;
}

function row(one: Screen): HTMLElement {
  const queue = queues.find((other) => other.id === one.queue_id)?.name ?? "another queue";
  return h("li", {},
    h("strong", {}, one.name),
    h("span", { class: "muted" }, `${queue} · last used ${when(one.last_used_at)}`),
    h("button", { type: "button", class: "danger", click: () => void trying(() => revoke(one)) }, "Take down"));
}

async function revoke(one: Screen): Promise<void> {
  if (!(await confirmed(`Take ${one.name} down?`))) return;
  await api("DELETE", `/screens/${one.id}`);
  await refresh();
  toast(`${one.name} was taken down.`);
}
