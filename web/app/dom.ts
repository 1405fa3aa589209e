/** What happens together is one occasion. */
const GATHER_MS = 100;

type Child = Node | string | null | undefined | false;
type Props = Record<string, string | boolean | ((event: Event) => void) | undefined>;

/** An element: functions listen to the event of their name, true and strings become attributes. Text stays text. */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, props: Props = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child): child is Node | string => child !== null && child !== undefined && child !== false));
  return element;
}

/** The element with this id, which the page must have. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element as T;
}

const shown = new WeakMap<Element, string>();

/**
 * Make the children of `parent` show `items`, in order, touching only what changed: what stays keeps its focus and
 * its animation, and a screen reader is told only what is new. An item must hold all that its element shows.
 */
export function list<T>(parent: Element, items: T[], key: (item: T) => string, render: (item: T) => HTMLElement): void {
  const old = new Map([...parent.children].map((child) => [(child as HTMLElement).dataset["key"], child as HTMLElement]));
  items.forEach((item, index) => {
    const print = JSON.stringify(item);
    let element = old.get(key(item));
    old.delete(key(item));
    if (!element || shown.get(element) !== print) {
      const fresh = render(item);
      fresh.dataset["key"] = key(item);
      shown.set(fresh, print);
      element?.replaceWith(fresh);
      element = fresh;
    }
    if (parent.children[index] !== element) parent.insertBefore(element, parent.children[index] ?? null);
  });
  for (const gone of old.values()) gone.remove();
}

/** Say something in words at the edge of the page, long enough to be read. */
export function toast(text: string): void {
  const place = document.getElementById("toasts") ?? document.body.appendChild(h("div", { id: "toasts", role: "alert" }));
  const note = place.appendChild(h("p", {}, text));
  setTimeout(() => note.remove(), 6000);
}

/** Run something that may be refused; a refusal is said in words. */
export async function trying(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    toast(error instanceof Error ? error.message : String(error));
  }
}

/** Call `work` soon, but never twice within `ms`: however often it is asked for, the last wish is heard. */
export function spaced(ms: number, work: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let last = -Infinity;
  return () => {
    timer ??= setTimeout(() => {
      timer = undefined;
      last = performance.now();
      work();
    }, Math.max(GATHER_MS, last + ms - performance.now()));
  };
}

/** A time as people say it: the hour today, the day before that. */
export function when(time: string): string {
  const date = new Date(time);
  const today = date.toDateString() === new Date().toDateString();
  return new Intl.DateTimeFormat(undefined, today ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" }).format(date);
}
