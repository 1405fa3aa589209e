import { encode } from "uqr";

const SVG = "http://www.w3.org/2000/svg";
/** ISO/IEC 18004: four modules of light around the code. */
const QUIET_ZONE = 4;

/** A QR code as a drawing; `label` is for those who do not see it. */
export function qrCode(text: string, label: string): SVGElement {
  const { size, data } = encode(text, { border: QUIET_ZONE });
  const dark = data.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? [`M${x} ${y}h1v1h-1z`] : [])));
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${size} ${size}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  svg.setAttribute("shape-rendering", "crispEdges");
  svg.appendChild(document.createElementNS(SVG, "path")).setAttribute("d", dark.join(""));
  return svg;
}
