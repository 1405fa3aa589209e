import type { User } from "../client/types.ts";
import { api } from "./api.ts";
import { byId } from "./dom.ts";
import { onSubmit, tokenOfLink } from "./form.ts";
import { leaveNotice } from "./notice.ts";

const token = tokenOfLink();
byId(token ? "join" : "no-link").hidden = false;

onSubmit(byId<HTMLFormElement>("join"), async ({ name, phone, password }) => {
  const user = await api<User>("POST", "/invitations/accept", { token, name, password, ...(phone?.trim() ? { phone } : {}) });
  leaveNotice(`Your account is made. Sign in as ${user.email}.`);
  location.assign("/sign-in");
});
