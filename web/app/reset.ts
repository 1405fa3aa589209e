import { api } from "./api.ts";
import { byId } from "./dom.ts";
import { onSubmit, tokenOfLink } from "./form.ts";
import { leaveNotice } from "./notice.ts";

const token = tokenOfLink();
const forgot = byId<HTMLFormElement>("forgot");
const reset = byId<HTMLFormElement>("reset");
(token ? reset : forgot).hidden = false;

onSubmit(forgot, async ({ email }) => {
  const { message } = await api<{ message: string }>("POST", "/auth/forgot", { email });
  forgot.querySelector("[role=status]")!.textContent = message;
});

onSubmit(reset, async ({ password }) => {
  await api("POST", "/auth/reset", { token, password });
  leaveNotice("Your new password is set. Sign in with it.");
  location.assign("/sign-in");
});
