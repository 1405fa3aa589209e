import { h } from "./dom.ts";

/** As much of Markdown as our own texts use: headings, paragraphs, tables, and `code`. */
export function markdown(text: string): HTMLElement[] {
  return text.split(/\n{2,}/).map((block) => block.trim()).filter(Boolean).map((block) => {
    if (block.startsWith("## ")) return h("h2", {}, block.slice(3));
    return block.startsWith("|") ? table(block) : h("p", {}, ...inline(block));
  });
}

/** A line of text, with what stands between backticks as code. */
export function inline(text: string): (Node | string)[] {
  return text.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));
}

/** Rows of cells below a row of headings. */
export function rows(heads: string[], cells: (Node | string)[][][]): HTMLElement {
  return h("div", { class: "scroll" }, h("table", {},
    h("thead", {}, h("tr", {}, ...heads.map((head) => h("th", { scope: "col" }, head)))),
    h("tbody", {}, ...cells.map((row) => h("tr", {}, ...row.map((cell) => h("td", {}, ...cell)))))));
}

function table(block: string): HTMLElement {
  const [heads, , ...lines] = block.split("\n").map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
  return rows(heads ?? [], lines.map((line) => line.map(inline)));
}
