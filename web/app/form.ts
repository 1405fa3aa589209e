/** Have a form do its work once at a time, and say in its alert why it could not. */
export function onSubmit(form: HTMLFormElement, work: (fields: Record<string, string>) => Promise<void>): void {
  const button = form.querySelector<HTMLButtonElement>("button:not([type=button])")!;
  const alert = form.querySelector<HTMLElement>("[role=alert]")!;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    alert.hidden = true;
    try {
      await work(Object.fromEntries(new FormData(form)) as Record<string, string>);
    } catch (error) {
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
