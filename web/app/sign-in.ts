import type { SecondFactor, User } from "../client/types.ts";
import { ApiError, api, goToSetup, nextPage } from "./api.ts";
import { byId } from "./dom.ts";
import { onSubmit } from "./form.ts";
import { worksAtDesk } from "./header.ts";

const form = byId<HTMLFormElement>("sign-in");
const secondStep = byId("second-step");

onSubmit(form, async ({ email, password, otp }) => {
  try {
    const { user } = await api<{ user: User }>("POST", "/auth/login", { email, password, ...(otp ? { otp } : {}) });
    const factor = await api<SecondFactor>("GET", "/auth/second-factor");
    if (factor.is_required && !factor.is_enabled) return goToSetup(destination(user));
    location.assign(destination(user));
  } catch (error) {
    if (error instanceof ApiError && error.problem.error_code === "SECOND_FACTOR_REQUIRED" && secondStep.hidden) {
      secondStep.hidden = false;
      secondStep.querySelector("input")!.focus();
      return;
    }
    throw error;
  }
});

/** Back to where they came from, if that is one of our own pages; else to where their day is. */
function destination(user: User): string {
  return nextPage() ?? (worksAtDesk(user) ? "/staff" : "/chat");
}
