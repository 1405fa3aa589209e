import { byId } from "./dom.ts";

/** Ask by the page's own #confirm; anything but Yes is no. */
export async function confirmed(question: string): Promise<boolean> {
  byId("confirm-question").textContent = question;
  return (await answer(byId<HTMLDialogElement>("confirm"))) === "yes";
}

/** Show a dialog, and tell by which of its buttons it was closed: "" when by none. */
export function answer(dialog: HTMLDialogElement): Promise<string> {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true }));
}
