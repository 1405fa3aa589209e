import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const root = new URL("../../", import.meta.url);

test("the client is at most 5 KB on the wire", async () => {
  const { outputFiles } = await build({
    entryPoints: [new URL("client/index.ts", root).pathname],
    bundle: true, minify: true, format: "esm", target: "es2022", write: false,
  });
  const bytes = gzipSync(outputFiles[0]!.contents, { level: 9 }).length;
  assert.ok(bytes > 500 && bytes <= 5 * 1024, `${bytes} bytes`);
});

test("the lock names no place to fetch from", async () => {
  const lock = await readFile(new URL("package-lock.json", root), "utf8");
  assert.equal(lock.includes("://"), false);
});
