import type { SecondFactor, User } from "../client/types.ts";
import { api, goToSetup, nextPage } from "./api.ts";
import { worksAtDesk } from "./header.ts";

/** Sign this browser in, and go on to where somebody wanted to be or where their day is. */
export async function enter(email: string, password: string, otp?: string): Promise<void> {
  const { user } = await api<{ user: User }>("POST", "/auth/login", { email, password, ...(otp ? { otp } : {}) });
  const factor = await api<SecondFactor>("GET", "/auth/second-factor");
  if (factor.is_required && !factor.is_enabled) return goToSetup(destination(user));
  location.assign(destination(user));
}

/** Back to where they came from, if that is one of our own pages; else to where their day is. */
function destination(user: User): string {
  return nextPage() ?? (worksAtDesk(user) ? "/staff" : "/chat");
}
