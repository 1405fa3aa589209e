import { api } from "./api.ts";
import { byId } from "./dom.ts";
import { enter } from "./enter.ts";
import { onSubmit } from "./form.ts";
import { leaveNotice } from "./notice.ts";

byId<HTMLAnchorElement>("sign-in").search = location.search;

onSubmit(byId<HTMLFormElement>("register"), async ({ name, email, phone, password }) => {
  await api("POST", "/auth/register", { name, email, password, ...(phone?.trim() ? { phone } : {}) });
  try {
    await enter(email!, password!);
  } catch {
    // The account is there: asking for it once more would only be refused.
    leaveNotice("Your account is made. Sign in to go on.");
    location.assign(byId<HTMLAnchorElement>("sign-in").href);
  }
});
