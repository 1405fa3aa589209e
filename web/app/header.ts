import type { User } from "../client/types.ts";
import { signOut } from "./api.ts";
import { byId, h, trying } from "./dom.ts";

const BELL = "M12 3a1.5 1.5 0 0 1 1.5 1.5v.6A6 6 0 0 1 18 11v4l1.5 2.5h-15L6 15v-4a6 6 0 0 1 4.5-5.9v-.6A1.5 1.5 0 0 1 12 3Zm-2.4 16h4.8a2.4 2.4 0 0 1-4.8 0Z";

/** The header that signed-in pages share: where one can go, how the connection is, the bell, and the way out. */
export function mountHeader(user: User): void {
  const staff = worksAtDesk(user);
  byId("top").append(
    h("a", { class: "brand", href: "/" }, "Carebell"),
    h("nav", { "aria-label": "Pages" }, staff && link("/staff", "Queue"), link("/chat", "Chat"), user.role === "admin" && link("/people", "People"), user.role === "admin" && link("/admin", "Nodes")),
    h("span", { id: "connection", class: "connection", role: "status" }, "Connecting…"),
    h("button", { id: "bell", type: "button", popovertarget: "bell-panel", "aria-label": "Notifications" }, icon(BELL), h("b", { id: "bell-count" })),
    h("a", { class: "me", href: "/account", title: "Your account", "aria-current": location.pathname === "/account" ? "page" : undefined }, user.name),
    h("button", { id: "sign-out", type: "button", class: "quiet", click: () => void trying(() => signOut("/auth/logout")) }, "Sign out"),
    h("section", { id: "bell-panel", popover: true, "aria-label": "Notifications" },
      h("header", {}, h("h2", {}, "Notifications"), h("button", { id: "bell-all", type: "button", class: "quiet" }, "Mark all read")),
      h("p", { id: "bell-empty", class: "muted" }, "Nothing here yet. News of your conversations and tickets comes here."),
      h("ul", { id: "bell-list" })));
}

/** Who has a queue to run; patients and advisors only chat. */
export function worksAtDesk(user: User): boolean {
  return user.role === "staff" || user.role === "doctor" || user.role === "admin";
}

/** One line on how far the page can be believed. */
export function showConnection(live: boolean, words: string): void {
  const line = byId("connection");
  line.dataset["live"] = String(live);
  line.textContent = words;
}

function link(href: string, text: string): HTMLElement {
  return h("a", { href, "aria-current": location.pathname === href ? "page" : undefined }, text);
}

function icon(path: string): SVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.appendChild(document.createElementNS(svg.namespaceURI, "path")).setAttribute("d", path);
  return svg;
}
