/** The renderer, started once per page: cornerstone3D with our tools, its memory bounded. */

import {
  cache,
  type Enums as CoreEnums,
  getRenderingCapabilities,
  getShouldUseCPURendering,
  imageLoader,
  init as initCore,
  metaData,
  type RenderingEngine,
  setUseCPURendering,
  type Types,
} from '@cornerstonejs/core';
import { init as initLoader, wadors } from '@cornerstonejs/dicom-image-loader';
import * as tools from '@cornerstonejs/tools';

import { underSession } from '../../api/client';
import { text } from './dicom-json';
import { drawingOf } from './kinds';
import { forgetWithThePerson } from './leaving';
import { frameOf } from './library';
import { textLinesOf } from './measure';

export type Engine = RenderingEngine;
export type Viewport = Types.IStackViewport;
export type CoreEvents = typeof CoreEnums.Events;

/** Images kept in memory, for PCs of 4 GB. */
export const CACHE_BYTES = 512 * 1024 * 1024;

export type ToolName = 'WindowLevel' | 'Zoom' | 'Pan' | 'Length' | 'Angle' | 'EllipticalROI' | 'RectangleROI';

export const MEASURING: readonly ToolName[] = ['Length', 'Angle', 'EllipticalROI', 'RectangleROI'];
const ALL = [
  tools.WindowLevelTool,
  tools.ZoomTool,
  tools.PanTool,
  tools.StackScrollTool,
  tools.LengthTool,
  tools.AngleTool,
  tools.EllipticalROITool,
  tools.RectangleROITool,
];

let started: Promise<void> | undefined;
/** Under whose session each image is asked for. */
const asked = new WeakMap<XMLHttpRequest, (status: number) => void>();

/** Starts the renderer once. `?cpu` and `?gpu` in the address decide; else no or only a pretended GPU means the CPU. */
export function startEngine(query: URLSearchParams = new URLSearchParams(location.search)): Promise<void> {
  started ??= Promise.resolve().then(() => {
    const { webgl, softwareRasterizer } = getRenderingCapabilities();
    // A rasterizer in software draws the same picture three times slower than the CPU path does.
    const cpu = query.has('cpu') || !webgl || (softwareRasterizer && !query.has('gpu'));
    initCore({ rendering: { useCPURendering: cpu } } as Parameters<typeof initCore>[0]);
    if (cpu) setUseCPURendering(true);
    cache.setMaxCacheSize(CACHE_BYTES);
    initLoader({
      maxWebWorkers: Math.max(1, Math.min(4, (navigator.hardwareConcurrency ?? 2) - 1)),
      beforeSend: (request) => {
        asked.set(request, underSession());
      },
      errorInterceptor: ({ request, status }) => asked.get(request)?.(status),
    });
    metaData.addProvider(inItsOwnUnit, BEFORE_ALL);
    imageLoader.registerImageLoader('wadors', loadDrawable as Types.ImageLoaderFn);
    window.addEventListener('unhandledrejection', (event) => {
      // The image cache lets a failed image's second promise go unheard; the first one has told it already.
      if (event.reason instanceof XMLHttpRequest || event.reason instanceof Undrawable) event.preventDefault();
    });
    tools.init();
    for (const tool of ALL) tools.addTool(tool);
    paint();
    forgetWithThePerson();
  });
  return started;
}

const BEFORE_ALL = 10_000;

/**
 * PET stays in the unit of its file, which is that of its windows too (PS3.3 C.8.9.4: Rescale leads to Units); the
 * renderer would make SUV of Bq/mL wherever dose and weight are told, and say so nowhere.
 */
function inItsOwnUnit(type: string, imageId: string): object | undefined {
  if (type !== 'scalingModule') return undefined;
  const frame = frameOf(imageId);
  return frame && text(frame.instance, '00080060') === 'PT' ? {} : undefined;
}

/**
 * *image*, its values those that are meant and nothing left to scale. While it calls itself scaled the CPU path takes
 * any PET for SUV, whatever its window, and draws fractions of a whole scale, as of a dose, black.
 */
function settled(image: Types.IImage): Types.IImage {
  if (!image.preScale?.scaled) return image;
  delete image.preScale;
  image.slope = 1;
  image.intercept = 0;
  return image;
}

/** What is there is no image the browser's decoders make a picture of; asking for it again would change nothing. */
export class Undrawable extends Error {}

/** The server finds no frames in the object. */
const NO_FRAMES = 406;

function isFinal(reason: unknown): boolean {
  return !(reason instanceof XMLHttpRequest) || reason.status === NO_FRAMES;
}

/** Loads a frame; one that decodes to nothing fails here, where it is told, and is never shown as a black image. */
function loadDrawable(imageId: string, options?: Parameters<typeof wadors.loadImage>[1]): Types.IImageLoadObject {
  const frame = frameOf(imageId);
  if (frame && drawingOf(frame.instance) !== 'here') return { promise: Promise.reject(new Undrawable(imageId)) };
  const asked = wadors.loadImage(imageId, options);
  const promise = asked.promise.then(
    (image) => {
      if (!(image.width > 0 && image.height > 0)) throw new Undrawable(imageId);
      return settled(image as Types.IImage);
    },
    (reason: unknown) => {
      throw isFinal(reason) ? new Undrawable(imageId, { cause: reason }) : reason;
    },
  );
  return { ...asked, promise };
}

export function drawsOnCpu(): boolean {
  return getShouldUseCPURendering();
}

/** Annotations in their one colour, selected ones in another; text never under 12 px. */
function paint(): void {
  const style = tools.annotation.config.style;
  style.setDefaultToolStyles({
    ...style.getDefaultToolStyles(),
    global: {
      ...style.getDefaultToolStyles().global,
      color: '#FFD60A',
      colorHighlighted: '#FFE873',
      colorSelected: '#6DB3FF',
      textBoxColor: '#FFD60A',
      textBoxColorHighlighted: '#FFE873',
      textBoxColorSelected: '#6DB3FF',
      textBoxFontSize: '14px',
      textBoxBackground: 'rgba(0, 0, 0, 0.6)',
      textBoxFontFamily: 'inherit',
      lineWidth: '1.5',
    },
  });
}

/** The tool group of one page: every viewport shares it, so that a tool chosen is chosen everywhere. */
export class Hand {
  private readonly group: ReturnType<typeof tools.ToolGroupManager.createToolGroup>;
  private current: ToolName = 'WindowLevel';

  constructor(readonly id: string) {
    this.group = tools.ToolGroupManager.createToolGroup(id);
    for (const { toolName } of ALL) {
      const name = toolName as string;
      this.group?.addTool(
        name,
        MEASURING.includes(name as ToolName) ? { getTextLines: textLinesOf(name as ToolName) } : {},
      );
    }
    const { Wheel } = tools.Enums.MouseBindings;
    this.group?.setToolActive(tools.StackScrollTool.toolName as string, { bindings: [{ mouseButton: Wheel }] });
    for (const name of MEASURING) this.group?.setToolPassive(name);
    this.take('WindowLevel');
  }

  add(viewport: string, engine: string): void {
    this.group?.addViewport(viewport, engine);
  }

  /** Left button *tool*; right zooms, middle pans, whatever is chosen. */
  take(tool: ToolName): void {
    const { Primary, Secondary, Auxiliary } = tools.Enums.MouseBindings;
    if (this.current !== tool) this.group?.setToolPassive(this.current, { removeAllBindings: true });
    this.current = tool;
    const bind = (name: ToolName, button: number) => ({
      bindings: [{ mouseButton: button }, ...(name === tool ? [{ mouseButton: Primary }] : [])],
    });
    this.group?.setToolActive('Zoom', bind('Zoom', Secondary));
    this.group?.setToolActive('Pan', bind('Pan', Auxiliary));
    if (tool !== 'Zoom' && tool !== 'Pan') this.group?.setToolActive(tool, { bindings: [{ mouseButton: Primary }] });
  }

  destroy(): void {
    tools.ToolGroupManager.destroyToolGroup(this.id);
  }
}
