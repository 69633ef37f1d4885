import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { extname, join, resolve } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';

const TEXT = new Set(['.js', '.css', '.html', '.svg', '.json', '.wasm', '.txt', '.webmanifest']);
/** Below this a compressed copy saves less than its headers cost. */
const WORTH_IT_BYTES = 1024;
/** Quality 11 takes the viewer's 1.5 MB two seconds of the build and a tenth off the line; beyond this, 9 will do. */
const BEST_UP_TO_BYTES = 2_000_000;

function walk(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? walk(path) : [path];
  });
}

/** Writes `x.br` and `x.gz` beside every text asset, so that the server never compresses per request. */
export function precompress(): Plugin {
  let folder = '';
  return {
    name: 'yilian:precompress',
    apply: 'build',
    configResolved(config) {
      folder = resolve(config.root, config.build.outDir);
    },
    closeBundle() {
      for (const path of walk(folder)) {
        if (!TEXT.has(extname(path))) continue;
        const plain = readFileSync(path);
        if (plain.length < WORTH_IT_BYTES) continue;
        const quality = plain.length > BEST_UP_TO_BYTES ? 9 : 11;
        writeFileSync(
          `${path}.br`,
          brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: quality } }),
        );
        writeFileSync(`${path}.gz`, gzipSync(plain, { level: 9 }));
      }
    },
  };
}
