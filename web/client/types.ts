/**
 * The shapes that the pages use, under the names that they use. Those that cross the wire come from `schema.ts`, which
 * the product writes from its own classes; what is added here is only what those classes leave open.
 */
import type * as wire from "./schema.ts";

export type Account = wire.AccountOut;
export type AccountPage = wire.AccountPage;
export type ApiKey = wire.ApiKeyOut;
export type Clinic = wire.ClinicOut;
export type Counter = wire.CounterOut;
export type Enrolment = wire.EnrolmentOut;
export type HubNode = wire.HubNodeOut;
export type HubNodes = wire.HubNodes;
export type Invitation = wire.InvitationOut;
export type Message = wire.ChatMessage;
export type NewApiKey = wire.NewApiKeyOut;
export type Notification = wire.NotificationOut;
export type OutboxSms = wire.OutboxMessage;
export type Pairing = wire.PairingOut;
export type PairingPoll = wire.PollOut;
export type Preferences = wire.PreferencesOut;
export type Profile = wire.ProfileOut;
export type Participant = wire.ParticipantOut;
export type Position = wire.Position;
export type Queue = wire.QueueOut;
export type QueueState = wire.QueueState;
export type Screen = wire.ScreenListed;
export type ShownBoard = wire.ShownBoardOut;
export type SecondFactor = wire.SecondFactorOut;
/** A ticket for whoever holds its link: no person in it. */
export type TicketPublic = wire.TicketStatusOut;
export type Thread = wire.ThreadOut;
export type Ticket = wire.TicketOut;
export type TicketStatus = Ticket["status"];
export type User = wire.UserOut;
export type UserSession = wire.SessionOut;

/** A ticket as a public screen may know it: a code and a place, never a person. */
export type BoardTicket = Omit<wire.BoardTicket, "status"> & { status: "waiting" | "called" | "serving" };

export interface Announcement { id: string; body: string }

export interface Board {
  queue: { id: string; name: string; prefix: string; clinic_name: string; time_zone: string };
  tickets: BoardTicket[];
  announcements: Announcement[];
}

/** What a subscription to `thread:{id}` starts from: the last 50 messages, oldest first, and nothing personal. */
export interface ThreadState {
  thread: Omit<Thread, "archived" | "unread_count">;
  messages: Message[];
  participants: Participant[];
}

/** What a subscription to `user:{id}` starts from: the last 20, newest first. */
export interface Inbox { unread: number; notifications: Notification[] }

export interface Page<T> { items: T[]; total: number; page: number; limit: number }

export interface Feed<T> { items: T[]; next_cursor: string | null }

/** RFC 9457, as every refusal of the API is written. */
export interface Problem {
  title: string;
  status: number;
  detail?: string;
  error_code?: string;
  request_id?: string;
  errors?: { field: string; message: string }[];
}

export type Ack = wire.Ack;
export type Conflated = wire.Conflated;
export type ChannelEvent = wire.EventRecord;
export type ClientFrame = wire.ClientFrame;
export type Refusal = wire.Error;
/** `user_ids` of the participants who follow a thread, or how many `screens` show a board. */
export type Presence = Partial<wire.ParticipantsPresent & wire.ScreensPresent>;
export type ServerFrame = wire.ServerFrame;
export type Subscribed = wire.Subscribed;
