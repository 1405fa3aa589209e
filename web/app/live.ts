import { Carebell, UNAUTHENTICATED, type Options } from "../client/index.ts";
import type { User } from "../client/types.ts";
import { api, goToSignIn, renewSession } from "./api.ts";

/** The hub's close code for a session that was ended. */
export const SESSION_REVOKED = 4002;

/** The page's one socket, on the session of the signed-in user: renewed when it runs out, to the sign-in page when it ended. */
export function connect(user: User, options: Options = {}): Carebell {
  return new Carebell({
    user: user.id,
    refused: async (code) => (code === UNAUTHENTICATED || code === SESSION_REVOKED) && ((await renewSession()) || goToSignIn()),
    fresh: async () => {
      await renewSession();
      return (await api<{ ticket: string }>("POST", "/auth/ws-ticket")).ticket;
    },
    ...options,
  });
}
