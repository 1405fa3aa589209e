import { newKey } from "../client/outbox.ts";
import type { Problem, Profile } from "../client/types.ts";
import { leaveNotice } from "./notice.ts";

const BASE = "/api/v1";

/** A refusal of the API. Its message is what a person may read. */
export class ApiError extends Error {
  constructor(readonly problem: Problem) {
    const fields = problem.errors?.map((error) => `${error.field}: ${error.message}`).join("; ");
    super(fields || problem.detail || problem.title);
  }
}

/** Ask the API; on 401 renew the session once, and without one go to the sign-in page. */
export async function api<T>(method: string, path: string, body?: unknown): Promise<T> {
  const idempotency = method === "POST" ? newKey() : undefined;
  let response = await request(method, path, body, idempotency);
  if (response.status === 401 && !path.startsWith("/auth/")) {
    if (!(await renewSession())) return goToSignIn();
    response = await request(method, path, body, idempotency);
  }
  if (!response.ok) {
    const problem = await problemOf(response);
    if (problem.error_code === "SECOND_FACTOR_SETUP_REQUIRED" && location.pathname !== "/account") return goToSetup(location.pathname + location.hash);
    throw new ApiError(problem);
  }
  return (response.status === 204 ? undefined : await response.json()) as T;
}

/**
 * Renew the session's cookies; false when there is no session to renew. One tab at a time: a refresh token works once.
 * Where that cannot be helped (a page reloaded, no locks) the server answers with the same successor for some seconds.
 */
export async function renewSession(): Promise<boolean> {
  const renew = async () => (await request("POST", "/auth/refresh")).ok;
  return navigator.locks ? navigator.locks.request("carebell.refresh", renew) : renew();
}

/** Whether this page was somebody's: when that ends they are told so. */
let isInUse = false;

/** Who is signed in. Nobody: off to the sign-in page, and back afterwards. */
export async function currentUser(): Promise<Profile> {
  const user = await api<Profile>("GET", "/users/me");
  isInUse = true;
  return user;
}

export function goToSignIn(): Promise<never> {
  if (leaving) return new Promise(() => undefined);
  if (isInUse) leaveNotice("Your session has ended. Sign in to go on.");
  location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.hash)}`);
  return new Promise(() => undefined);
}

let leaving = false;

/** End the session, or all of them (`path`), and go to the sign-in page. What is refused here meanwhile is no news. */
export async function signOut(path: "/auth/logout" | "/auth/logout-all"): Promise<void> {
  leaving = true;
  try {
    await api("POST", path);
    location.assign("/sign-in");
  } catch (error) {
    leaving = false;
    throw error;
  }
}

/** To where a second factor is set up, for those whose role needs one, and on to `next` afterwards. */
export function goToSetup(next: string): Promise<never> {
  location.assign(`/account?next=${encodeURIComponent(next)}`);
  return new Promise(() => undefined);
}

/** Where this page was told to send people on to, if that is one of our own pages. */
export function nextPage(): string | undefined {
  const next = new URLSearchParams(location.search).get("next") ?? "";
  return next.startsWith("/") && new URL(next, location.href).origin === location.origin ? next : undefined;
}

async function request(method: string, path: string, body?: unknown, idempotency?: string): Promise<Response> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (idempotency) headers["Idempotency-Key"] = idempotency;
  try {
    return await fetch(BASE + path, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  } catch {
    throw new ApiError({ title: "The server cannot be reached. Please try again in a moment.", status: 0 });
  }
}

async function problemOf(response: Response): Promise<Problem> {
  const isJson = response.headers.get("Content-Type")?.includes("json");
  return isJson ? ((await response.json()) as Problem) : { title: `The server answered ${response.status}.`, status: response.status };
}
