import { ApiError } from "./api.ts";
import { byId } from "./dom.ts";
import { enter } from "./enter.ts";
import { onSubmit } from "./form.ts";
import { showNotice } from "./notice.ts";

const form = byId<HTMLFormElement>("sign-in");
const secondStep = byId("second-step");

showNotice();
byId<HTMLAnchorElement>("register").search = location.search;

onSubmit(form, async ({ email, password, otp }) => {
  try {
    await enter(email!, password!, otp);
  } catch (error) {
    if (error instanceof ApiError && error.problem.error_code === "SECOND_FACTOR_REQUIRED" && secondStep.hidden) {
      secondStep.hidden = false;
      secondStep.querySelector("input")!.focus();
      return;
    }
    throw error;
  }
});
