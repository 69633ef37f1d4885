/** One viewport: what it shows, every act on it, and its state as the page draws it. */

import { cache, Enums, EVENTS, eventTarget, imageLoader, type Types, utilities as core } from '@cornerstonejs/core';
import { utilities } from '@cornerstonejs/tools';

import { IMAGE_MS, within } from './deadline';
import { number } from './dicom-json';
import { drawsOnCpu, type Engine, type Hand, Undrawable, type Viewport } from './engine';
import type { LoadedSeries } from './library';
import type { Edges } from './orientation';
import type { Prefetch } from './prefetch';
import { lettersAround, scaleOf } from './screen';
import { middleOf } from './series-stack';
import { toRange, toWindow, type Window } from './windows';

export type PaneStatus = 'empty' | 'loading' | 'ready' | 'error';

export interface PaneState {
  status: PaneStatus;
  /** The image is there and no decoder of the browser draws it; else it did not come. */
  undrawable: boolean;
  series: string;
  index: number;
  count: number;
  imageId: string;
  window: Window | null;
  zoom: number;
  inverted: boolean;
  letters: Edges | null;
  playing: boolean;
}

export const EMPTY: PaneState = {
  status: 'empty',
  undrawable: false,
  series: '',
  index: 0,
  count: 0,
  imageId: '',
  window: null,
  zoom: 1,
  inverted: false,
  letters: null,
  playing: false,
};

const FRAMES_PER_SECOND = 15;

export class Pane {
  readonly viewport: Viewport;
  private state: PaneState = EMPTY;
  private series: LoadedSeries | null = null;
  private turn = 0;
  private wanted = 0;
  private chosen: { lower: number; upper: number } | null = null;
  /** The reader wants dark and light exchanged; MONOCHROME1 is drawn the other way round without that. */
  private negative = false;
  /** The zoom at which the image fills the viewport. */
  private fitZoom = 1;
  private readonly resized: ResizeObserver;

  constructor(
    readonly number: number,
    private readonly engine: Engine,
    hand: Hand,
    readonly element: HTMLDivElement,
    private readonly prefetch: Prefetch,
    private readonly report: (state: PaneState) => void,
  ) {
    const viewportId = `${engine.id}-${number}`;
    engine.enableElement({ viewportId, type: Enums.ViewportType.STACK, element });
    this.viewport = engine.getViewport(viewportId) as Viewport;
    hand.add(viewportId, engine.id);
    element.addEventListener(EVENTS.STACK_NEW_IMAGE, this.moved);
    element.addEventListener(EVENTS.VOI_MODIFIED, this.windowed);
    element.addEventListener(EVENTS.CAMERA_MODIFIED, this.looked);
    eventTarget.addEventListener(EVENTS.IMAGE_LOAD_ERROR, this.failed);
    this.resized = new ResizeObserver(() => this.fit());
    this.resized.observe(element);
  }

  /** Shows *series*, its middle image first, or image *at* when given. */
  async show(series: LoadedSeries, at?: number): Promise<void> {
    this.turn += 1;
    const { turn } = this;
    this.stop();
    this.series = series;
    this.chosen = null;
    this.negative = false;
    const index = at ?? middleOf(series.imageIds.length);
    const imageId = series.imageIds[index];
    if (!imageId) return;
    this.wanted = index;
    this.set({ ...EMPTY, status: 'loading', series: series.uid, index, count: series.imageIds.length, imageId });
    try {
      // Loaded first by itself: an image that cannot come is told here, not found out by drawing.
      const asked = { priority: -5, requestType: 'interaction', ...{ useRGBA: drawsOnCpu() } };
      await within(imageLoader.loadAndCacheImage(imageId, asked), IMAGE_MS);
      if (turn !== this.turn) return;
      await this.viewport.setStack(series.imageIds, index);
    } catch (reason) {
      if (turn !== this.turn) return;
      this.missed(index, reason);
      if (reason instanceof Undrawable) await this.passBy(series, index);
      return;
    }
    if (turn !== this.turn) return;
    this.viewport.render();
    this.fitZoom = this.viewport.getZoom();
    this.prefetch.note(imageId);
    this.set({ ...this.state, status: 'ready' });
    this.looked();
    this.prefetch.look(this.number, series.imageIds, index);
  }

  /** Lets the reader leaf on from an image that will never be drawn: the stack is there, only this one is not. */
  private async passBy(series: LoadedSeries, index: number): Promise<void> {
    this.prefetch.look(this.number, series.imageIds, index);
    try {
      await this.viewport.setStack(series.imageIds, index);
    } catch {
      // Told already.
    }
  }

  /** Lets go of its images: something that is none stands in its place, and no tool has anything to act on. */
  clear(): void {
    this.turn += 1;
    this.stop();
    this.series = null;
    this.prefetch.forget(this.number);
    this.set(EMPTY);
  }

  /** Asks again for what could not be shown. */
  async again(): Promise<void> {
    if (!this.series) return;
    const { imageId, index } = this.state;
    if (cache.getImageLoadObject(imageId)) cache.removeImageLoadObject(imageId, { force: true });
    this.prefetch.retry();
    await this.show(this.series, index);
  }

  destroy(): void {
    this.turn += 1;
    this.stop();
    this.resized.disconnect();
    this.prefetch.forget(this.number);
    this.element.removeEventListener(EVENTS.STACK_NEW_IMAGE, this.moved);
    this.element.removeEventListener(EVENTS.VOI_MODIFIED, this.windowed);
    this.element.removeEventListener(EVENTS.CAMERA_MODIFIED, this.looked);
    eventTarget.removeEventListener(EVENTS.IMAGE_LOAD_ERROR, this.failed);
    this.engine.disableElement(this.viewport.id);
  }

  get current(): PaneState {
    return this.state;
  }

  get shown(): LoadedSeries | null {
    return this.series;
  }

  private get drawn(): boolean {
    return this.state.status === 'ready' || (this.state.status === 'error' && this.stacked);
  }

  /** Whether the viewport has this series already: until its first image comes it still holds the one before. */
  private get stacked(): boolean {
    const [first] = this.viewport.getImageIds();
    return first !== undefined && first === this.series?.imageIds[0];
  }

  /** Image *index*, kept within the series. */
  async goTo(index: number): Promise<void> {
    const to = Math.max(0, Math.min(this.state.count - 1, index));
    if (this.series && this.state.status === 'error' && !this.stacked) {
      await this.show(this.series, to);
      return;
    }
    if (!this.drawn) return;
    this.wanted = to;
    if (to === this.viewport.getCurrentImageIdIndex() && this.state.status === 'ready') return;
    try {
      await this.viewport.setImageIdIndex(to);
    } catch (reason) {
      // Told by IMAGE_LOAD_ERROR as well, with the image it concerns.
      this.missed(to, reason);
    }
  }

  scroll(by: number): void {
    // Counted from where the last press leads: quick presses must not wait for each image to come.
    void this.goTo(this.wanted + by);
  }

  /** A window, or the whole range of the image for null. */
  useWindow(window: Window | null): void {
    if (!this.drawn) return;
    const image = this.viewport.getCornerstoneImage();
    if (!window && !image) return;
    // Values that came rescaled have a slope of 1; the CPU path lays fractions out anew and tells how in the same two.
    const real = (value: number) => value * (image?.slope ?? 1) + (image?.intercept ?? 0);
    const range = window
      ? toRange(window)
      : { lower: real(image?.minPixelValue ?? 0), upper: real(image?.maxPixelValue ?? 255) };
    this.viewport.setProperties({ voiRange: range });
    this.viewport.render();
  }

  invert(): void {
    if (!this.drawn) return;
    this.negative = !this.negative;
    this.put({ invert: this.drawnInverted() });
    this.viewport.render();
    this.looked();
  }

  flip(axis: 'horizontal' | 'vertical'): void {
    if (!this.drawn) return;
    const { flipHorizontal = false, flipVertical = false } = this.viewport.getCamera();
    this.viewport.setCamera(
      axis === 'horizontal' ? { flipHorizontal: !flipHorizontal } : { flipVertical: !flipVertical },
    );
    this.viewport.render();
    this.looked();
  }

  rotate(degrees: 90 | -90): void {
    if (!this.drawn) return;
    const { rotation = 0 } = this.viewport.getViewPresentation();
    this.viewport.setViewPresentation({ rotation: (rotation + degrees + 360) % 360 });
    this.viewport.render();
    this.looked();
  }

  /** Window, zoom, place, turn and colours as they were when the series came. */
  reset(): void {
    if (!this.drawn) return;
    this.stop();
    this.chosen = null;
    this.negative = false;
    // The renderer's own reset fails on the GPU path, and takes MONOCHROME1 for MONOCHROME2 on the CPU path.
    this.put({ voiRange: this.ownRange(), invert: this.drawnInverted() });
    this.viewport.resetCamera();
    this.viewport.setViewPresentation({ rotation: 0 });
    this.viewport.render();
    this.fitZoom = this.viewport.getZoom();
    this.looked();
  }

  /** Plays the stack as a film, at the machine's own speed when it names one, or stops it. */
  play(): void {
    if (!this.drawn || this.state.count < 2) return;
    if (this.state.playing) {
      this.stop();
      return;
    }
    utilities.cine.playClip(this.element, { framesPerSecond: this.speed(), loop: true });
    this.set({ ...this.state, playing: true });
  }

  stop(): void {
    if (!this.state.playing) return;
    utilities.cine.stopClip(this.element);
    this.set({ ...this.state, playing: false });
  }

  private speed(): number {
    const instance = this.series?.frames[0]?.instance;
    if (!instance) return FRAMES_PER_SECOND;
    const told = number(instance, '00082144') ?? number(instance, '00180040');
    const milliseconds = number(instance, '00181063');
    const rate = told ?? (milliseconds ? 1000 / milliseconds : FRAMES_PER_SECOND);
    return Math.max(1, Math.min(60, rate));
  }

  /** Fits the new size while the reader has not zoomed or moved; what they chose stays as it is. */
  private fit(): void {
    if (this.element.clientWidth === 0 || this.element.clientHeight === 0) return;
    const untouched = this.drawn && this.untouched();
    this.engine.resize(true, true);
    if (untouched) this.fill();
    this.looked();
  }

  private untouched(): boolean {
    const [right, down] = this.viewport.getPan();
    return Math.abs(this.viewport.getZoom() / this.fitZoom - 1) < 0.001 && Math.hypot(right, down) < 1;
  }

  /** The whole image, as large as it goes, turned as it is. */
  private fill(): void {
    const { flipHorizontal, flipVertical } = this.viewport.getCamera();
    const { rotation } = this.viewport.getViewPresentation();
    this.viewport.resetCamera();
    if (flipHorizontal || flipVertical) this.viewport.setCamera({ flipHorizontal, flipVertical });
    if (rotation) this.viewport.setViewPresentation({ rotation });
    this.fitZoom = this.viewport.getZoom();
    this.viewport.render();
  }

  private readonly moved = (event: Event) => {
    const { imageId, imageIdIndex } = (event as CustomEvent<{ imageId: string; imageIdIndex: number }>).detail;
    if (this.series?.imageIds[imageIdIndex] !== imageId) return;
    this.prefetch.note(imageId);
    this.wanted = imageIdIndex;
    this.set({ ...this.state, status: 'ready', undrawable: false, imageId, index: imageIdIndex });
    // The CPU path sets the new image's own window right after this event, in the same turn.
    queueMicrotask(() => {
      this.keepWindow();
      this.looked();
    });
    if (this.series) this.prefetch.look(this.number, this.series.imageIds, imageIdIndex);
  };

  /** The window the image shown brings along. */
  private ownRange(): { lower: number; upper: number } | undefined {
    const image = this.viewport.getCornerstoneImage();
    const [width] = [image?.windowWidth].flat();
    const [centre] = [image?.windowCenter].flat();
    if (width === undefined || centre === undefined) return undefined;
    return core.windowLevel.toLowHighRange(width, centre, image?.voiLUTFunction);
  }

  private drawnInverted(): boolean {
    return Boolean(this.viewport.getCornerstoneImage()?.invert) !== this.negative;
  }

  /** Sets *properties*, which the reader did not choose. */
  private put(properties: Types.StackViewportProperties): void {
    const { chosen } = this;
    this.viewport.setProperties(properties);
    this.chosen = chosen;
  }

  /** A window the reader chose holds for the whole series; else each image has its own. Neither path does both. */
  private keepWindow(): void {
    const wanted = this.chosen ?? this.ownRange();
    const { voiRange } = this.viewport.getProperties();
    if (!wanted || (voiRange?.lower === wanted.lower && voiRange.upper === wanted.upper)) return;
    this.put({ voiRange: wanted });
    this.viewport.render();
  }

  private readonly windowed = (event: Event) => {
    const { range } = (event as CustomEvent<{ range?: { lower: number; upper: number } }>).detail;
    const { playing, imageId } = this.state;
    // Only what the reader does to the image shown; a new image brings its own window along.
    if (range && !playing && this.viewport.getCurrentImageId() === imageId && this.state.status === 'ready')
      this.chosen = range;
    this.looked();
  };

  private readonly failed = (event: Event) => {
    const { imageId, imageIdIndex, error } = (
      event as CustomEvent<{ imageId?: string; imageIdIndex?: number; error?: unknown }>
    ).detail;
    if (imageId && imageIdIndex !== undefined && this.series?.imageIds[imageIdIndex] === imageId)
      this.missed(imageIdIndex, error);
  };

  private missed(index: number, reason: unknown): void {
    const imageId = this.series?.imageIds[index] ?? '';
    this.wanted = index;
    this.set({ ...this.state, status: 'error', undrawable: reason instanceof Undrawable, index, imageId });
  }

  private readonly looked = () => {
    if (this.state.status !== 'ready') return;
    const { imageId } = this.state;
    const { voiRange } = this.viewport.getProperties();
    this.set({
      ...this.state,
      window: voiRange ? toWindow(voiRange) : null,
      zoom: scaleOf(this.viewport, imageId),
      inverted: this.negative,
      letters: lettersAround(this.viewport, imageId),
    });
  };

  private set(state: PaneState): void {
    this.state = state;
    this.report(state);
  }
}
