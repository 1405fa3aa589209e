import type { Clinic, Page } from "../client/index.ts";
import { api } from "./api.ts";
import { h } from "./dom.ts";

let clinics: Clinic[] = [];

/** Read the clinics that this page names, once. */
export async function readClinics(): Promise<void> {
  const found: Clinic[] = [];
  for (let page = 1; ; page++) {
    const { items, total } = await api<Page<Clinic>>("GET", `/clinics?limit=100&page=${page}`);
    found.push(...items);
    if (!items.length || found.length >= total) break;
  }
  clinics = found;
}

/** What people call that clinic. */
export function nameOfClinic(id: string): string {
  return clinics.find((one) => one.id === id)?.name ?? "a clinic that is closed";
}

/** Offer all clinics but those. */
export function offerClinics(box: HTMLSelectElement, except: string[] = []): void {
  const offered = clinics.filter((one) => !except.includes(one.id));
  box.replaceChildren(...offered.map((one) => h("option", { value: one.id }, one.city ? `${one.name}, ${one.city}` : one.name)));
}
