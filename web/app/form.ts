import { ApiError } from "./api.ts";
import { h } from "./dom.ts";

type Control = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

/** Have a form do its work once at a time, and say by the field, or in its alert, why it could not. */
export function onSubmit(form: HTMLFormElement, work: (fields: Record<string, string>) => Promise<void>): void {
  const button = form.querySelector<HTMLButtonElement>("button:not([type=button])")!;
  const alert = form.querySelector<HTMLElement>("[role=alert]")!;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    alert.hidden = true;
    clearFields(form);
    try {
      await work(Object.fromEntries(new FormData(form)) as Record<string, string>);
    } catch (error) {
      if (showByField(form, error)) return;
      alert.textContent = error instanceof Error ? error.message : String(error);
      alert.hidden = false;
    } finally {
      button.disabled = false;
    }
  });
}

/** The token of a mailed link. It stands behind the #, which browsers send to no server. */
export function tokenOfLink(): string | null {
  return new URLSearchParams(location.hash.slice(1)).get("token");
}

/** Say below each field what is wrong with it, and go to the first; false where something is about no field of this form. */
function showByField(form: HTMLFormElement, error: unknown): boolean {
  const errors = error instanceof ApiError ? (error.problem.errors ?? []) : [];
  const controls = errors.map(({ field }) => form.elements.namedItem(field));
  if (!controls.length || !controls.every(isControl)) return false;
  controls.forEach((control, index) => mark(control, errors[index]!.message));
  controls[0]!.focus();
  return true;
}

function mark(control: Control, message: string): void {
  const id = `${control.form!.id}-${control.name}-error`;
  if (document.getElementById(id)) return;
  const note = h("p", { id, class: "field-error", role: "alert" }, message.charAt(0).toUpperCase() + message.slice(1));
  (control.closest("label") ?? control).after(note);
  control.setAttribute("aria-invalid", "true");
  control.setAttribute("aria-describedby", id);
}

function clearFields(form: HTMLFormElement): void {
  for (const note of form.querySelectorAll(".field-error")) note.remove();
  for (const control of form.querySelectorAll("[aria-invalid]")) {
    control.removeAttribute("aria-invalid");
    control.removeAttribute("aria-describedby");
  }
}

function isControl(found: Element | RadioNodeList | null): found is Control {
  return found instanceof HTMLInputElement || found instanceof HTMLSelectElement || found instanceof HTMLTextAreaElement;
}
