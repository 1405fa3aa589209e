import type { Enrolment, SecondFactor } from "../client/index.ts";
import { api } from "./api.ts";
import { byId, h } from "./dom.ts";
import { onSubmit } from "./form.ts";
import { qrCode } from "./qr.ts";

const PATH = "/auth/second-factor";
type Step = "begin" | "enrol" | "codes" | "manage";
const STEPS: Step[] = ["begin", "enrol", "codes", "manage"];

/** The card of the second factor. `done` is called when somebody has set one up and kept the recovery codes. */
export async function mountSecondFactor(done: () => void): Promise<SecondFactor> {
  const isNew = () => byId("codes").dataset["new"] === "true";
  onSubmit(byId<HTMLFormElement>("begin"), async ({ password }) => enrol(await api<Enrolment>("POST", PATH, { password })));
  onSubmit(byId<HTMLFormElement>("confirm-code"), async ({ otp }) => showCodes(await codesFor("confirm", otp), true));
  onSubmit(byId<HTMLFormElement>("renew"), async ({ otp }) => showCodes(await codesFor("recovery-codes", otp), false));
  onSubmit(byId<HTMLFormElement>("disable"), async ({ otp }) => {
    await api("POST", `${PATH}/disable`, { otp });
    await showState();
  });
  byId("cancel").addEventListener("click", () => step("begin"));
  byId("kept").addEventListener("click", () => {
    byId("recovery-codes").replaceChildren();
    if (isNew()) done();
    else void showState();
  });
  return showState();
}

async function codesFor(action: string, otp: string | undefined): Promise<string[]> {
  return (await api<{ recovery_codes: string[] }>("POST", `${PATH}/${action}`, { otp })).recovery_codes;
}

async function showState(): Promise<SecondFactor> {
  const factor = await api<SecondFactor>("GET", PATH);
  const left = factor.recovery_codes_left;
  byId("factor-state").textContent = factor.is_enabled ? `On. ${left} recovery ${left === 1 ? "code is" : "codes are"} left.` : "Off.";
  byId("disable").hidden = factor.is_required;
  step(factor.is_enabled ? "manage" : "begin");
  return factor;
}

function enrol({ secret, uri }: Enrolment): void {
  byId("qr").replaceChildren(qrCode(uri, "QR code for your authenticator app"));
  byId("secret").textContent = secret.match(/.{1,4}/g)!.join(" ");
  byId<HTMLAnchorElement>("otpauth").href = uri;
  step("enrol");
  byId<HTMLFormElement>("confirm-code").querySelector("input")!.focus();
}

function showCodes(codes: string[], isNew: boolean): void {
  byId("codes").dataset["new"] = String(isNew);
  byId("recovery-codes").replaceChildren(...codes.map((code) => h("li", {}, h("code", {}, code))));
  byId("factor-state").textContent = "On.";
  step("codes");
  byId("codes-title").focus();
}

/** One step is on the page at a time, and what was typed into the others is gone. */
function step(shown: Step): void {
  for (const name of STEPS) {
    byId(name).hidden = name !== shown;
    for (const form of document.querySelectorAll<HTMLFormElement>(`form#${name}, #${name} form`)) form.reset();
  }
  if (shown !== "enrol") {
    byId("qr").replaceChildren();
    byId("secret").textContent = "";
    byId("otpauth").removeAttribute("href");
  }
}
