import type { Clinic, Page, Queue } from "../client/types.ts";
import { renewSession } from "./api.ts";
import { byId, h } from "./dom.ts";

/** A plain list of boards for those who are signed in; nobody is sent to the sign-in page from here. */
async function boards(): Promise<void> {
  let clinics = await read<Page<Clinic>>("/api/v1/clinics");
  if (!clinics && (await renewSession())) clinics = await read<Page<Clinic>>("/api/v1/clinics");
  byId("way-in").hidden = !!clinics;
  for (const clinic of clinics?.items ?? []) {
    const queues = await read<Queue[]>(`/api/v1/clinics/${clinic.id}/queues`);
    byId("boards").append(...(queues ?? []).map((queue) => tile(clinic, queue)));
  }
  const isEmpty = byId("boards").children.length === 0;
  byId("boards-hint").hidden = !isEmpty || !!clinics;
  byId("no-boards").hidden = !isEmpty || !clinics;
}

async function read<T>(path: string): Promise<T | undefined> {
  const response = await fetch(path);
  return response.ok ? ((await response.json()) as T) : undefined;
}

function tile(clinic: Clinic, queue: Queue): HTMLElement {
  return h("li", {}, h("a", { class: "card", href: `/board/${queue.id}` }, h("h3", {}, queue.name), h("p", {}, clinic.name)));
}

void boards();
