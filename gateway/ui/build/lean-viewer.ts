import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'vite';

/**
 * Keeps out of the viewer what stacks of images never use: cornerstone3D reaches every kind of viewport from one table,
 * and through them vtk.js' volume and WebGPU renderers, mesh readers and the rest. Over 1 Mbit/s each 125 kB is a
 * second before the first image. A file named here that is no longer in the package fails the build.
 */

const CORE = '@cornerstonejs/core/dist/esm/RenderingEngine/';
const ABSENT = (name: string) => `export default class ${name} {}`;

/** The table of viewports with the one kind this page makes. */
const VIEWPORTS = `
import StackViewport from '../StackViewport.js';
const classes = { stack: StackViewport };
export function registerViewportType() { throw new Error('no other viewports in this build'); }
export function isRegisteredViewportType(type) { return type in classes; }
export function getViewportClassForInput({ type }) {
  if (!(type in classes)) throw new Error('Unknown viewport type: ' + type);
  return classes[type];
}
export default classes;
`;

/** What draws a stack through WebGL: one image on a slice, a camera, a renderer. */
const VIEW_NODES = `
import macro from '@kitware/vtk.js/macros.js';
import vtkOpenGLCamera from '@kitware/vtk.js/Rendering/OpenGL/Camera.js';
import vtkOpenGLImageMapper from '@kitware/vtk.js/Rendering/OpenGL/ImageMapper.js';
import vtkOpenGLImageSlice from '@kitware/vtk.js/Rendering/OpenGL/ImageSlice.js';
import vtkOpenGLRenderer from '@kitware/vtk.js/Rendering/OpenGL/Renderer.js';
import vtkOpenGLTexture from '@kitware/vtk.js/Rendering/OpenGL/Texture.js';
import vtkViewNodeFactory from '@kitware/vtk.js/Rendering/SceneGraph/ViewNodeFactory.js';
const NODES = {
  vtkCamera: vtkOpenGLCamera.newInstance,
  vtkImageMapper: vtkOpenGLImageMapper.newInstance,
  vtkImageSlice: vtkOpenGLImageSlice.newInstance,
  vtkRenderer: vtkOpenGLRenderer.newInstance,
  vtkTexture: vtkOpenGLTexture.newInstance,
};
export function registerOverride(name, make) { NODES[name] = make; }
export function extend(publicAPI, model, initialValues = {}) {
  Object.assign(model, initialValues);
  vtkViewNodeFactory.extend(publicAPI, model, initialValues);
  model.classHierarchy.push('vtkStreamingOpenGLViewNodeFactory');
  model.overrides = NODES;
}
export const newInstance = macro.newInstance(extend, 'vtkStreamingOpenGLViewNodeFactory');
export default { newInstance, extend };
`;

/** Images come as frames by WADO-RS, never as whole files. */
const LOADERS = `
import { cache } from '@cornerstonejs/core';
import { utilities } from '@cornerstonejs/metadata';
import metaDataManager from './wadors/metaDataManager.js';
import register from './wadors/register.js';
export default function registerLoaders(options) {
  cache.purgeCache();
  metaDataManager.purge();
  utilities.clearCacheData();
  register(options);
}
`;

const TOOLS = '@cornerstonejs/tools/dist/esm/';

const REPLACED: Readonly<Record<string, string>> = {
  '@cornerstonejs/dicom-image-loader/dist/esm/imageLoader/registerLoaders.js': LOADERS,
  // Segmentations are named on this page, not drawn.
  [`${TOOLS}eventListeners/annotations/contourSegmentation/contourSegmentationCompleted.js`]:
    'export default async function contourSegmentationCompletedListener() {}',
  [`${TOOLS}tools/displayTools/registerBuiltInSegmentationRepresentationDisplays.js`]:
    'export function registerBuiltInSegmentationRepresentationDisplays() {}',
  [`${TOOLS}tools/annotation/PlanarFreehandContourSegmentationTool.js`]:
    "export default class Absent { static toolName = 'PlanarFreehandContourSegmentationTool'; }",
  // Grey is drawn by window; false colours are not offered.
  '@kitware/vtk.js/Rendering/Core/ColorTransferFunction/ColorMaps.json.js': 'export default []',
  [`${CORE}helpers/viewportTypeToViewportClass.js`]: VIEWPORTS,
  [`${CORE}vtkClasses/vtkStreamingOpenGLViewNodeFactory.js`]: VIEW_NODES,
  ...Object.fromEntries(
    ['BaseVolumeViewport', 'VolumeViewport', 'VolumeViewport3D', 'VideoViewport', 'WSIViewport', 'ECGViewport'].map(
      (name) => [`${CORE}${name}.js`, ABSENT(name)],
    ),
  ),
};

const WORDS = 'virtual:dicom-words';
/** Packages whose sources name the DICOM words they look up. */
const ASKING = ['metadata', 'core', 'dicom-image-loader'];

function* scripts(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* scripts(path);
    else if (entry.name.endsWith('.js')) yield path;
  }
}

/** The lines `tag vr vm name` of the public DICOM dictionary that *packages* name. */
function dicomWords(packages: string): string {
  const named = new Set<string>();
  for (const name of ASKING) {
    for (const path of scripts(join(packages, '@cornerstonejs', name, 'dist', 'esm'))) {
      for (const [word] of readFileSync(path, 'utf8').matchAll(/[A-Za-z][A-Za-z0-9]{2,}/g)) named.add(word.toLowerCase());
    }
  }
  const { data } = createRequire(join(packages, 'x.js'))('dcmjs') as {
    data: { DicomMetaDictionary: { nameMap: Record<string, { tag?: string; vr: string; vm: string }> } };
  };
  return Object.entries(data.DicomMetaDictionary.nameMap)
    .filter(([name, { tag }]) => named.has(name.toLowerCase()) && /^\([0-9A-F]{4},[0-9A-F]{4}\)$/.test(tag ?? ''))
    .map(([name, { tag, vr, vm }]) => [tag?.replace(/[(),]/g, ''), vr, vm, name].join(' '))
    .join('\n');
}

export function leanViewer({ worker = false } = {}): Plugin {
  const packages = fileURLToPath(new URL('../node_modules', import.meta.url));
  const met = new Set<string>();
  return {
    name: 'yilian:lean-viewer',
    resolveId: (source) => (source === WORDS ? `\0${WORDS}` : undefined),
    load(id) {
      if (id === `\0${WORDS}`) return `export default ${JSON.stringify(dicomWords(packages))}`;
      const path = id.split('?')[0] ?? '';
      const name = Object.keys(REPLACED).find((file) => path.endsWith(`/node_modules/${file}`));
      if (!name) return undefined;
      met.add(name);
      return { code: REPLACED[name] ?? '', moduleSideEffects: false };
    },
    buildEnd(error) {
      const lost = Object.keys(REPLACED).filter((name) => !met.has(name));
      // A worker holds but a part of the packages, and development only what was asked for.
      if (!error && !worker && this.environment.mode === 'build' && lost.length) this.error(`not in the package: ${lost.join(', ')}`);
    },
  };
}
