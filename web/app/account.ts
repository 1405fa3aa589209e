import type { Profile, UserSession } from "../client/index.ts";
import { api, currentUser, nextPage, signOut } from "./api.ts";
import { mountBell } from "./bell.ts";
import { confirmed } from "./dialog.ts";
import { byId, h, list, toast, trying, when } from "./dom.ts";
import { mountHeader } from "./header.ts";
import { mountKeys } from "./keys.ts";
import { connect } from "./live.ts";
import { mountPreferences } from "./preferences.ts";
import { mountProfile } from "./profile.ts";
import { mountSecondFactor } from "./second-factor.ts";

async function start(user: Profile): Promise<void> {
  mountHeader(user);
  byId("connection").hidden = true;
  byId("who").textContent = `${user.email} · ${user.role}`;
  const factor = await mountSecondFactor(() => location.assign(nextPage() ?? "/account"));
  byId("page").hidden = false;
  // A sign-in that must set a second factor up may do that, and nothing else: everything here waits for it.
  const locked = factor.is_required && !factor.is_enabled;
  byId("locked").hidden = !locked;
  byId("bell").hidden = locked;
  byId("top").querySelector("nav")!.hidden = locked;
  if (!locked) await unlock(user);
}

async function unlock(user: Profile): Promise<void> {
  mountBell(connect(user), user);
  mountProfile(user);
  byId("sessions-card").hidden = false;
  byId("everywhere").addEventListener("click", () => void trying(signOutEverywhere));
  await showSessions();
  if (user.role !== "patient") await mountKeys(user);
  await mountPreferences(user);
}

async function showSessions(): Promise<void> {
  const { items } = await api<{ items: UserSession[] }>("GET", "/auth/sessions");
  list(byId("sessions"), items, (one) => one.id, row);
}

function row(one: UserSession): HTMLElement {
  const details = [one.is_current ? "this browser" : `last used ${when(one.last_used_at)}`, `since ${when(one.created_at)}`];
  return h("li", {},
    h("strong", { title: one.user_agent }, one.device),
    h("span", { class: "muted" }, details.join(" · ")),
    !one.is_current && h("button", { type: "button", class: "danger", click: () => void trying(() => revoke(one)) }, "Sign out there"));
}

async function revoke(one: UserSession): Promise<void> {
  if (!(await confirmed(`Sign ${one.device} out?`))) return;
  await api("DELETE", `/auth/sessions/${one.id}`);
  await showSessions();
  toast(`${one.device} was signed out.`);
}

async function signOutEverywhere(): Promise<void> {
  if (!(await confirmed("Sign out everywhere, here as well?"))) return;
  await signOut("/auth/logout-all");
}

void trying(async () => start(await currentUser()));
