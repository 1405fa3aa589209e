import type { Profile } from "../client/index.ts";
import { api } from "./api.ts";
import { byId } from "./dom.ts";
import { onSubmit } from "./form.ts";

const form = byId<HTMLFormElement>("profile");
type Field = "name" | "phone" | "specialization" | "department";

/** The cards of what somebody says of themselves, and of their password. */
export function mountProfile(user: Profile): void {
  byId("profile-card").hidden = false;
  byId("password-card").hidden = false;
  const shown = fieldsOf(user.role);
  for (const name of ["specialization", "department"] as const) byId(name).hidden = !shown.includes(name);
  show(user, shown);
  form.addEventListener("input", () => { byId("profile-news").textContent = ""; });
  onSubmit(form, async (fields) => {
    const changes = shown.map((name) => [name, fields[name]!.trim() || (name === "name" ? "" : null)]);
    show(await api<Profile>("PATCH", "/users/me", Object.fromEntries(changes)), shown);
    byId("profile-news").textContent = "Saved.";
  });
  onSubmit(byId<HTMLFormElement>("password"), async () => {
    const { message } = await api<{ message: string }>("POST", "/auth/forgot", { email: user.email });
    byId("password-news").textContent = message;
  });
}

/** As it is kept: the number in its international form. */
function show(user: Profile, fields: Field[]): void {
  for (const name of fields) (form.elements.namedItem(name) as HTMLInputElement).value = user[name] ?? "";
  document.querySelector(".me")!.textContent = user.name;
}

function fieldsOf(role: Profile["role"]): Field[] {
  return ["name", "phone", ...(role === "doctor" ? ["specialization" as const] : []), ...(role === "staff" ? ["department" as const] : [])];
}
