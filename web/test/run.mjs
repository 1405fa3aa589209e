// Compiles the tests with esbuild into build/test/ and hands them to node's own test runner.
import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { readdir, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import path from "node:path";

const here = path.dirname(fileURLToPath(import.meta.url));
const outdir = path.join(here, "..", "build", "test");
const tests = (await readdir(here)).filter((name) => name.endsWith(".test.ts"));
await rm(outdir, { recursive: true, force: true });
await build({
  entryPoints: tests.map((name) => path.join(here, name)),
  outdir,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  format: "esm",
  packages: "external",
  sourcemap: "inline",
  logLevel: "warning",
});
const compiled = tests.map((name) => path.join(outdir, name.replace(/ts$/, "mjs")));
process.exit(spawnSync(process.execPath, ["--enable-source-maps", "--test", "--test-reporter=spec", ...compiled], { stdio: "inherit" }).status ?? 1);
