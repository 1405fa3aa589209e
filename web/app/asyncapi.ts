import { byId, h } from "./dom.ts";
import { inline, markdown, rows } from "./markdown.ts";

/** As much of AsyncAPI 3 as our own document uses. */
interface Reference { $ref: string }
interface Schema {
  $ref?: string;
  type?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  additionalProperties?: Schema;
  anyOf?: Schema[];
  allOf?: Schema[];
  enum?: unknown[];
  const?: unknown;
  format?: string;
}
interface Message { name: string; title: string; summary: string; description?: string; headers?: Schema; payload: Schema }
interface Topic { channel: string; description: string; followers: string; snapshot: Reference; events: Reference[]; signals: Reference[] }
interface Protocol {
  info: { description: string };
  channels: Record<string, { address: string; description: string }>;
  operations: Record<string, { action: "send" | "receive"; messages: Reference[]; reply?: { messages: Reference[] } }>;
  components: { messages: Record<string, Message>; schemas: Record<string, Schema> };
  "x-topics": Record<string, Topic>;
}
type Content = Node | string;

async function show(): Promise<void> {
  const response = await fetch("/asyncapi.json");
  if (!response.ok) throw new Error("The document is not to be had at the moment. Please reload the page.");
  const protocol = (await response.json()) as Protocol;
  const { messages, schemas } = protocol.components;
  byId("about").append(...markdown(protocol.info.description));
  byId("sockets").append(rows(["address", ""], Object.values(protocol.channels)
    .map((socket) => [[h("code", {}, socket.address)], inline(socket.description)])));
  byId("topics").append(...Object.values(protocol["x-topics"]).map((topic) => topicCard(topic, messages)));
  // The frames are the operations of the general socket; those of the others have a dot in their names.
  for (const [tag, operation] of Object.entries(protocol.operations)) {
    if (!tag.includes(".")) byId(operation.action).append(frameCard(tag, messages[tag]!, schemas, operation.reply?.messages ?? []));
  }
  const stream = protocol.operations["board_events.send"]!.messages.map(({ $ref }) => messages[last($ref)]!);
  byId("stream").append(streamCard(protocol.channels["board_events"]!, stream));
  const frames = new Set(Object.entries(messages).filter(([key]) => !key.startsWith("stream.")).map(([, one]) => last(one.payload.$ref ?? "")));
  byId("schemas").append(...Object.entries(schemas).filter(([name]) => !frames.has(name)).map(([name, schema]) => schemaCard(name, schema)));
  scrollToNamedPart();
}

function topicCard(topic: Topic, messages: Record<string, Message>): HTMLElement {
  const data = ({ $ref }: Reference, field: string): Content[] => {
    const known = messages[last($ref)]?.payload.allOf?.[1]?.properties?.[field];
    return known ? type(known) : [];
  };
  const carried = [...topic.events, ...topic.signals].map((reference) => {
    const key = last(reference.$ref);
    const kind = key.startsWith("signal.") ? "signal" : "event";
    return [[h("code", {}, key.replace(/^signal\.[a-z]+\./, ""))], [kind], data(reference, "data"), inline(messages[key]?.summary ?? "")];
  });
  return h("article", { class: "card" }, h("h3", {}, h("code", {}, topic.channel)), h("p", {}, ...inline(topic.description)),
    h("p", {}, `Who may follow it: ${topic.followers} Its snapshot is `, ...data(topic.snapshot, "state"), "."),
    rows(["name", "as", "data", ""], carried));
}

function frameCard(tag: string, message: Message, schemas: Record<string, Schema>, answers: Reference[]): HTMLElement {
  const named = answers.flatMap(({ $ref }, index) => [index ? ", " : "", link(last($ref), `frame-${last($ref)}`)]);
  return h("article", { class: "card", id: `frame-${tag}` }, h("h3", {}, h("code", {}, tag)), h("p", {}, ...inline(message.summary)),
    message.description && h("p", {}, ...inline(message.description)),
    answers.length > 0 && h("p", { class: "muted" }, "Answered by ", ...named, "."),
    fields(schemas[last(message.payload.$ref ?? "")]));
}

/** A board without a socket: its events, each with its data, and whether it carries a position to resume from. */
function streamCard(channel: { address: string; description: string }, events: Message[]): HTMLElement {
  const cells = events.map((event) => [[h("code", {}, event.name)], event.headers?.properties?.["id"] ? [h("code", {}, "epoch:seq")] : [],
    type(event.payload), inline(event.summary)]);
  return h("article", { class: "card" }, h("h3", {}, h("code", {}, channel.address)), h("p", {}, ...inline(channel.description)),
    rows(["event", "id", "data", ""], cells));
}

function schemaCard(name: string, schema: Schema): HTMLElement {
  return h("article", { class: "card", id: `schema-${name}` }, h("h3", {}, h("code", {}, name)),
    h("p", {}, ...inline(schema.description ?? "")), fields(schema));
}

function fields(schema: Schema | undefined): HTMLElement | false {
  const listed = Object.entries(schema?.properties ?? {}).filter(([name]) => name !== "type" || !schema?.properties?.["type"]?.enum);
  const needed = schema?.required ?? [];
  return listed.length > 0 && rows(["field", "type", ""], listed.map(([name, field]) => [
    [h("code", { class: needed.includes(name) ? undefined : "optional" }, name)], type(field),
    inline(field.description ?? field.anyOf?.find((one) => one.description)?.description ?? "")]));
}

/** A type in the words of TypeScript; a shape of our own is a link to it. */
function type(schema: Schema): Content[] {
  if (schema.$ref) return [link(last(schema.$ref), `schema-${last(schema.$ref)}`)];
  if (schema.anyOf) return schema.anyOf.flatMap((one, index) => [...(index ? [" | "] : []), ...type(one)]);
  if (schema.enum) return [schema.enum.map((one) => JSON.stringify(one)).join(" | ")];
  if (schema.type === "array") return [...type(schema.items ?? {}), "[]"];
  if (schema.additionalProperties) return ["map to ", ...type(schema.additionalProperties)];
  return [schema.format ? `${schema.type}, ${schema.format}` : (schema.type ?? "any JSON")];
}

function link(text: string, id: string): HTMLElement {
  return h("a", { href: `#${id}` }, h("code", {}, text));
}

function last(reference: string): string {
  return reference.slice(reference.lastIndexOf("/") + 1);
}

/** The browser looked for the part that the address names before it was there. */
function scrollToNamedPart(): void {
  document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

show().catch((error: unknown) => {
  byId("refusal").textContent = error instanceof Error ? error.message : String(error);
  byId("refusal").hidden = false;
});
