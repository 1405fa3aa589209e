export { Carebell, UNAUTHENTICATED } from "./client.ts";
export type { Options } from "./options.ts";
export type { ChannelState, Handlers } from "./channel.ts";
export type { Draft, Outcome } from "./outbox.ts";
export type * from "./types.ts";
