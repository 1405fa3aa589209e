// Builds the pages into dist/: every `src="/app/…ts"` and `href="/styles/…css"` of a page becomes a minified file
// with a hash in its name under /assets/, so that a server may tell browsers to keep assets for ever and pages not at all.
import { build } from "esbuild";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import path from "node:path";

const root = path.dirname(fileURLToPath(import.meta.url));
const dist = path.join(root, "dist");
const fresh = path.join(root, "build", "dist");
const reference = /(src|href)="\/((?:app|styles|images)\/[^"]+)"/g;

async function readPages() {
  const names = (await readdir(path.join(root, "pages"))).filter((name) => name.endsWith(".html"));
  return Promise.all(names.map(async (name) => [name, await readFile(path.join(root, "pages", name), "utf8")]));
}

async function bundle(entries) {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: entries,
    outdir: "build/dist/assets",
    entryNames: "[name]-[hash]",
    chunkNames: "shared-[hash]",
    assetNames: "[name]-[hash]",
    loader: { ".svg": "copy" },
    bundle: true,
    splitting: true,
    format: "esm",
    target: "es2023",
    minify: true,
    sourcemap: true,
    metafile: true,
    logLevel: "warning",
  });
  return new Map(Object.entries(metafile.outputs)
    .filter(([, output]) => output.entryPoint)
    .map(([file, output]) => [output.entryPoint, `/${path.posix.relative("build/dist", file)}`]));
}

const pages = await readPages();
const entries = [...new Set(pages.flatMap(([, html]) => [...html.matchAll(reference)].map((match) => match[2])))];
await rm(fresh, { recursive: true, force: true });
await mkdir(fresh, { recursive: true });
const assets = await bundle(entries);
for (const [name, html] of pages) {
  await writeFile(path.join(fresh, name), html.replace(reference, (_, attribute, file) => `${attribute}="${assets.get(file)}"`));
}
// In place only when whole: a server that is running never sees half a build.
await rm(dist, { recursive: true, force: true });
await rename(fresh, dist);
console.log(`web/dist: ${pages.length} pages, ${assets.size} assets`);
