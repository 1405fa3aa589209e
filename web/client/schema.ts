// Written by `python -m ops.web_types` from the API and the hub. Do not edit.

export interface AccountOut {
  id: string;
  email: string;
  name: string;
  role: Role;
  phone: string | null;
  specialization: string | null;
  department: string | null;
  created_at: string;
  is_active: boolean;
  clinic_ids: string[];
}

export interface AccountPage {
  items: AccountOut[];
  total: number;
  page: number;
  limit: number;
  next_cursor: string | null;
}

export interface Ack {
  type: "ack";
  id: string;
  seq?: number;
  message?: unknown;
}

export interface ApiKeyOut {
  id: string;
  name: string;
  scopes: string[];
  hint: string;
  created_at: string;
  last_used_at: string;
  expires_at: string;
}

export interface ApiKeyPage {
  items: ApiKeyOut[];
  total: number;
  page?: number;
  limit: number;
}

export interface Auth {
  type: "auth";
  id: string;
  token: string;
}

export interface BoardCounter {
  id: string;
  name: string;
}

export interface BoardTicket {
  id: string;
  code: string;
  status: string;
  priority: number;
  arrived_at: string;
  counter: BoardCounter | null;
  called_at: string | null;
  recalls: number;
}

export interface ChatMessage {
  id: string;
  thread_id: string;
  seq: number;
  sender_id: string;
  key: string;
  body: string;
  created_at: string;
}

export type ClientFrame = Hello | Subscribe | Unsubscribe | Send | Read | Typing | Auth;

export interface ClinicOut {
  id: string;
  name: string;
  city: string;
  time_zone: string;
}

export interface Conflated {
  type: "conflated";
  channel: string;
  after: number;
  seq: number;
  events: EventRecord[];
}

export interface CounterOut {
  id: string;
  name: string;
}

export interface CurrentState {
  queues: QueueState[];
}

export interface Degraded {
  type: "degraded";
}

export interface EnrolmentOut {
  secret: string;
  uri: string;
}

export interface Error {
  type: "error";
  id?: string;
  error_code: string;
  detail: string;
  retry_after?: number;
}

export interface EstimateOut {
  low_minutes: number;
  high_minutes: number;
}

export interface Event {
  type: "event";
  channel: string;
  seq: number;
  name: string;
  at: string;
  data: unknown;
}

export interface EventRecord {
  seq: number;
  name: string;
  at: string;
  data: unknown;
}

export interface Expiring {
  type: "expiring";
  expires_in_s: number;
}

export interface Goodbye {
  type: "goodbye";
  code: number;
  reconnect_after_ms: number;
}

export interface Heartbeat {
  type: "heartbeat";
  heads: Record<string, number>;
}

export interface Hello {
  type: "hello";
  id?: string | null;
  token?: string | null;
  resume?: Record<string, Position>;
}

export interface HubNodeOut {
  id: string;
  name: string;
  started_at: string;
  seen_at: string;
  sockets: number;
  event_streams: number;
  users: number;
  channels: number;
  deliveries: number;
  deliveries_per_second: number;
  bytes_per_second: number;
  is_connected: boolean;
  is_draining: boolean;
}

export interface HubNodes {
  items: HubNodeOut[];
  redis_mode: "standalone" | "sentinel" | "cluster";
}

export interface InvitationOut {
  id: string;
  email: string;
  role: "doctor" | "staff" | "advisor";
  clinic_id: string | null;
  status: "open" | "accepted" | "revoked" | "expired";
  created_at: string;
  expires_at: string;
}

export interface InvitationPage {
  items: InvitationOut[];
  total: number;
  page: number;
  limit: number;
}

export interface Limits {
  frame_bytes: number;
  channels: number;
  commands_per_second: number;
}

export interface MessageAppended {
  message: ChatMessage;
}

export interface MessageFeed {
  items: MessageOut[];
  next_cursor: string | null;
}

export interface MessageOut {
  id: string;
  thread_id: string;
  seq: number;
  sender_id: string;
  key: string;
  body: string;
  created_at: string;
}

export interface NewApiKeyOut {
  id: string;
  name: string;
  scopes: string[];
  hint: string;
  created_at: string;
  last_used_at: string;
  expires_at: string;
  key?: string;
}

export interface NotificationFeed {
  items: NotificationOut[];
  next_cursor: string | null;
}

export interface NotificationOut {
  id: string;
  type: NotificationType;
  title: string;
  body: string;
  data: Record<string, unknown>;
  count: number;
  is_read: boolean;
  created_at: string;
  updated_at: string;
}

export type NotificationType = "ticket.called" | "message.received";

export interface OutboxMessage {
  id: string;
  to: string;
  body: string;
  created_at: string;
}

export interface PairingOut {
  code: string;
  secret: string;
  expires_at: string;
  interval?: number;
}

export interface ParticipantOut {
  user_id: string;
  name: string;
  role: string;
  read_seq: number;
}

export interface ParticipantsPresent {
  user_ids: string[];
}

export interface PatientRef {
  id: string;
  name: string;
}

export interface PollOut {
  status: "pending" | "paired";
  token?: string | null;
  screen?: ScreenOut | null;
}

export interface Position {
  epoch: string;
  seq: number;
}

export interface PreferencesOut {
  sms: Record<string, boolean>;
  quiet_hours: QuietTimes | null;
}

export interface ProfileOut {
  id: string;
  email: string;
  name: string;
  role: Role;
  phone: string | null;
  specialization: string | null;
  department: string | null;
  created_at: string;
}

export interface QueueOut {
  id: string;
  clinic_id: string;
  name: string;
  prefix: string;
  is_open: boolean;
  counters: CounterOut[];
}

export interface QueueState {
  queue: QueueOut;
  tickets: TicketOut[];
}

export interface QuietTimes {
  start: string;
  end: string;
  time_zone: string;
}

export interface Read {
  type: "read";
  id?: string | null;
  channel: string;
  seq: number;
}

export interface ReceiptUpdated {
  user_id: string;
  read_seq: number;
}

export interface Recovered {
  type: "recovered";
}

export interface Resync {
  type: "resync";
  channel: string;
}

export type Role = "admin" | "doctor" | "staff" | "advisor" | "patient" | "device";

export interface ScreenListed {
  id: string;
  clinic_id: string;
  queue_id: string;
  name: string;
  created_at: string;
  last_used_at: string;
}

export interface ScreenOut {
  id: string;
  clinic_id: string;
  queue_id: string;
  name: string;
  created_at: string;
}

export interface ScreenPage {
  items: ScreenListed[];
  total: number;
  page?: number;
  limit: number;
}

export interface ScreensPresent {
  screens: number;
}

export interface SecondFactorOut {
  is_enabled: boolean;
  is_required: boolean;
  recovery_codes_left: number;
}

export interface Send {
  type: "send";
  id: string;
  channel: string;
  key: string;
  body: string;
  attachments?: string[];
}

export type ServerFrame = Welcome | Subscribed | Event | Conflated | Signal | Ack | Error | Heartbeat | Resync | Expiring | Degraded | Recovered | Goodbye;

export interface SessionOut {
  id: string;
  device: string;
  user_agent: string;
  created_at: string;
  last_used_at: string;
  expires_at: string;
  is_current: boolean;
}

export interface SessionPage {
  items: SessionOut[];
  total: number;
  page?: number;
  limit: number;
}

export interface ShownBoardOut {
  queue_id: string;
  queue_name: string;
  clinic_name: string;
  screens: number;
}

export interface ShownBoards {
  items: ShownBoardOut[];
}

export interface Signal {
  type: "signal";
  channel: string;
  name: string;
  data: unknown;
}

export interface Subscribe {
  type: "subscribe";
  id: string;
  channel: string;
  epoch?: string | null;
  seq?: number | null;
  present?: boolean;
}

export interface Subscribed {
  type: "subscribed";
  id?: string;
  channel: string;
  epoch: string;
  seq: number;
  mode: "live" | "resume" | "snapshot";
  events?: EventRecord[];
  state?: unknown;
}

export interface ThreadOut {
  id: string;
  kind: "support" | "care";
  subject: string;
  status: "open" | "closed";
  created_at: string;
  last_message_at: string;
  archived: boolean;
  unread_count: number;
  participants: ParticipantOut[];
  last_message: MessageOut | null;
}

export interface ThreadUpdated {
  status: string;
}

export interface TicketOut {
  id: string;
  queue_id: string;
  code: string;
  number: number;
  status: "waiting" | "called" | "serving" | "on_hold" | "no_show" | "completed" | "cancelled" | "left" | "transferred";
  priority: number;
  channel: string;
  counter: CounterOut | null;
  patient: PatientRef | null;
  arrived_at: string;
  called_at: string | null;
  served_at: string | null;
  completed_at: string | null;
  recalls: number;
  version: number;
  link: string;
}

export interface TicketRemoved {
  id: string;
}

export interface TicketStatusOut {
  code: string;
  status: "waiting" | "called" | "serving" | "on_hold" | "no_show" | "completed" | "cancelled" | "left" | "transferred";
  position: number | null;
  estimate: EstimateOut | null;
  counter: CounterOut | null;
}

export interface TicketUpserted {
  ticket: BoardTicket;
}

export interface Typing {
  type: "typing";
  id?: string | null;
  channel: string;
  on: boolean;
}

export interface Unsubscribe {
  type: "unsubscribe";
  id: string;
  channel: string;
}

export interface UserOut {
  id: string;
  email: string;
  name: string;
  role: Role;
}

export interface Welcome {
  type: "welcome";
  connection: string;
  user: string | null;
  heartbeat_s: number;
  limits: Limits;
}
