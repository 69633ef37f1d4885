import react from '@vitejs/plugin-react';
import { fileURLToPath } from 'node:url';
import type { UserConfig } from 'vite';
import { defineConfig } from 'vitest/config';

import { leanViewer } from './build/lean-viewer.ts';
import { precompress } from './build/precompress.ts';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
/** Where `yilian demo` answers while the page is developed with `npm run dev`. */
const server = process.env.UI_SERVER ?? 'http://127.0.0.1:8080';
const doors = ['/api', '/dicom-web', '/uploads'];
type OnLog = NonNullable<NonNullable<NonNullable<UserConfig['build']>['rolldownOptions']>['onLog']>;
/** The wasm codecs ask for node's modules only where they run in node: nothing for whoever builds to mend. */
const onLog: OnLog = (level, log, tell) => {
  if (!/Module "(fs|path)" has been externalized .*@cornerstonejs\/codec-/s.test(log.message)) tell(level, log);
};

export default defineConfig({
  plugins: [react(), leanViewer(), precompress()],
  resolve: {
    alias: {
      // vtk.js' VTP reader drags xmlbuilder2 in, which extends node's EventEmitter: the page would die at load.
      xmlbuilder2: at('./src/stubs/xmlbuilder2.ts'),
      dcmjs: at('./src/stubs/dcmjs.ts'),
    },
  },
  worker: { format: 'es', plugins: () => [leanViewer({ worker: true })], rolldownOptions: { onLog } },
  // Development only: without these the worker's URL is rewritten and the wasm codecs never load.
  optimizeDeps: {
    exclude: ['@cornerstonejs/dicom-image-loader'],
    include: [
      'dicom-parser',
      '@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs',
      '@cornerstonejs/codec-charls/decodewasmjs',
      '@cornerstonejs/codec-openjpeg/decodewasmjs',
      '@cornerstonejs/codec-openjph/wasmjs',
    ],
  },
  build: {
    target: 'chrome109',
    chunkSizeWarningLimit: 4000,
    rolldownOptions: {
      onLog,
      // Neither package says so itself: what nobody imports by name does nothing by being loaded.
      treeshake: { moduleSideEffects: [{ test: /@kitware\/vtk\.js|cornerstonejs\/dicom-image-loader/, sideEffects: false }] },
    },
  },
  server: {
    host: '127.0.0.1',
    port: Number(process.env.UI_PORT ?? 5173),
    strictPort: true,
    proxy: Object.fromEntries(doors.map((door) => [door, server])),
  },
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.test.ts', 'src/**/*.test.tsx', 'tests/**/*.test.ts'],
    // A browser for each file takes five times as long as all tests; in any order they leave nothing to each other.
    isolate: false,
    sequence: { shuffle: true },
  },
});
