import { byId } from "./dom.ts";

const SLOT = "carebell.notice";

/** Words for the page to which this tab goes next. */
export function leaveNotice(words: string): void {
  sessionStorage.setItem(SLOT, words);
}

/** Say once, in the page's #notice, what the page before left to say. */
export function showNotice(): void {
  const words = sessionStorage.getItem(SLOT);
  sessionStorage.removeItem(SLOT);
  if (!words) return;
  byId("notice").textContent = words;
  byId("notice").hidden = false;
}
