import type { Carebell, Outcome, Page, Thread, User } from "../client/index.ts";
import { api, currentUser } from "./api.ts";
import { mountBell } from "./bell.ts";
import { Conversation, titleOf } from "./conversation.ts";
import { byId, h, list, spaced, toast, trying, when } from "./dom.ts";
import { mountHeader, showConnection } from "./header.ts";
import { connect } from "./live.ts";

/** A user has a hundred requests a minute, and a busy inbox more news than that. */
const REFRESH_MS = 2000;
const form = byId<HTMLFormElement>("compose");
const box = byId<HTMLTextAreaElement>("body");
const scroller = byId("scroll");

/** The page: a list of threads, one of them open. */
class Chat {
  private readonly client: Carebell;
  private threads: Thread[] = [];
  private open: Conversation | undefined;

  constructor(private readonly me: User) {
    this.client = connect(me, {
      connection: (on) => showConnection(on, on ? "Live" : "Reconnecting – your messages are kept"),
      outcome: (outcome) => this.outcome(outcome),
    });
    mountBell(this.client, me, this.soon);
    this.listen();
  }

  async refresh(): Promise<void> {
    this.threads = (await api<Page<Thread>>("GET", "/chat/threads?limit=100")).items;
    this.draw();
  }

  /** The address says which thread is open, so that back, reload and links work. */
  async follow(): Promise<void> {
    const id = location.hash.slice(1);
    if (id === this.open?.threadId) return;
    this.open?.close();
    this.open = undefined;
    const thread = this.threads.find((one) => one.id === id);
    if (id && !thread) toast("This conversation is not among yours.");
    byId("thread").hidden = !thread;
    byId("nothing").hidden = !!thread;
    if (thread) this.open = new Conversation(this.client, this.me, thread, this.soon);
    this.draw();
    if (thread) box.focus();
  }

  private readonly soon = spaced(REFRESH_MS, () => void trying(() => this.refresh()));

  private draw(): void {
    const rows = this.threads.map((thread) => ({ id: thread.id, thread, here: thread.id === this.open?.threadId }));
    byId("no-threads").hidden = rows.length > 0;
    list(byId("threads"), rows, (row) => row.id, ({ thread, here }) => threadRow(thread, here, this.me));
  }

  private listen(): void {
    addEventListener("hashchange", () => void trying(() => this.follow()));
    addEventListener("focus", () => this.open?.seen());
    document.addEventListener("visibilitychange", () => this.open?.seen());
    scroller.addEventListener("scroll", () => this.scrolled());
    byId("status").addEventListener("click", () => void trying(async () => this.open?.toggleStatus()));
    byId("new").hidden = this.me.role !== "patient";
    if (this.me.role === "patient") byId("no-threads").textContent = "No conversation yet. Press the button above to ask an advisor.";
    byId("new").addEventListener("click", () => void trying(() => this.initiate()));
    form.addEventListener("submit", (event) => this.submit(event));
    box.addEventListener("input", () => this.open?.composing(box.value.trim() !== ""));
    box.addEventListener("keydown", enterSends);
  }

  private scrolled(): void {
    this.open?.seen();
    if (scroller.scrollTop < 200) void trying(async () => this.open?.loadOlder());
  }

  private async initiate(): Promise<void> {
    const { chat_id } = await api<{ chat_id: string }>("POST", "/chat/initiate", {});
    await this.refresh();
    location.hash = chat_id;
  }

  private submit(event: Event): void {
    event.preventDefault();
    const body = box.value.trim();
    if (!body || !this.open) return;
    box.value = "";
    this.open.send(body);
  }

  /** A message that was refused goes back to its writer, with the reason. */
  private outcome(outcome: Outcome): void {
    this.open?.outcome(outcome);
    if (!("refusal" in outcome)) return;
    box.value ||= outcome.draft.body;
    toast(`Not sent: ${outcome.refusal.detail}`);
  }
}

/** Enter sends, Shift+Enter breaks the line; an input method's Enter only ends its word. */
function enterSends(event: KeyboardEvent): void {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  form.requestSubmit();
}

function threadRow(thread: Thread, here: boolean, me: User): HTMLElement {
  const last = thread.last_message;
  const at = last?.created_at ?? thread.created_at;
  const unread = here ? 0 : (thread.unread_count ?? 0);
  return h("li", {}, h("a", { href: `#${thread.id}`, "aria-current": here ? "true" : undefined },
    h("strong", {}, titleOf(thread, me)),
    h("time", { datetime: at }, when(at)),
    h("span", { class: "last" }, last ? `${last.sender_id === me.id ? "You: " : ""}${last.body}` : "No message yet"),
    unread > 0 && h("span", { class: "unread", "aria-label": `${unread} unread` }, String(unread))));
}

async function start(): Promise<void> {
  const me = await currentUser();
  mountHeader(me);
  const chat = new Chat(me);
  await chat.refresh();
  await chat.follow();
}

void trying(start);
