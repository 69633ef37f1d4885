/** Fetches what will be looked at next: neighbours of what is shown, few at a time, within the memory there is. */

import { cache, imageLoader } from '@cornerstonejs/core';

import { IMAGE_MS, within } from './deadline';
import { CACHE_BYTES, drawsOnCpu, Undrawable } from './engine';
import { neighbours } from './series-stack';

/** HTTP/1.1 gives six connections to a server; two stay free for what the reader asks for. */
const AT_ONCE = 4;
/** Part of the memory that is filled ahead; the rest is for what is shown and measured. */
const SHARE = 0.8;

interface Wish {
  imageIds: readonly string[];
  at: number;
}

export class Prefetch {
  private readonly wishes = new Map<number, Wish>();
  private readonly failed = new Set<string>();
  private readonly loaded = new Set<string>();
  private running = 0;
  private closed = false;
  private active = 0;

  constructor(private readonly changed: () => void) {}

  /** Viewport *pane* shows image *at* of *imageIds*. */
  look(pane: number, imageIds: readonly string[], at: number): void {
    this.wishes.set(pane, { imageIds, at });
    this.pump();
  }

  forget(pane: number): void {
    this.wishes.delete(pane);
  }

  /** The pane whose neighbours come first. */
  prefer(pane: number): void {
    this.active = pane;
  }

  note(imageId: string): void {
    if (this.loaded.has(imageId)) return;
    this.loaded.add(imageId);
    this.changed();
  }

  /** How many of *imageIds* need no line any more. */
  loadedOf(imageIds: readonly string[]): number {
    return imageIds.filter((id) => this.loaded.has(id)).length;
  }

  retry(): void {
    this.failed.clear();
    this.pump();
  }

  close(): void {
    this.closed = true;
    this.wishes.clear();
  }

  private pump(): void {
    while (!this.closed && this.running < AT_ONCE) {
      const next = this.next();
      if (!next) return;
      void this.fetch(next);
    }
  }

  private next(): string | null {
    if (cache.getCacheSize() > CACHE_BYTES * SHARE) return null;
    const panes = [...this.wishes.keys()].sort((a, b) => Number(b === this.active) - Number(a === this.active));
    for (const pane of panes) {
      const wish = this.wishes.get(pane);
      if (!wish) continue;
      for (const index of [wish.at, ...neighbours(wish.at, wish.imageIds.length, wish.imageIds.length)]) {
        const id = wish.imageIds[index];
        if (id && !this.failed.has(id) && !this.loaded.has(id) && !cache.getImageLoadObject(id)) return id;
      }
    }
    return null;
  }

  private async fetch(imageId: string): Promise<void> {
    this.running += 1;
    try {
      const asked = { priority: 5, requestType: 'prefetch', ...{ useRGBA: drawsOnCpu() } };
      await within(imageLoader.loadAndCacheImage(imageId, asked), IMAGE_MS);
      this.note(imageId);
    } catch (reason) {
      // Fetching ahead is a favour: the error is shown when the reader comes to this image.
      if (reason instanceof Undrawable) this.note(imageId);
      else this.failed.add(imageId);
    } finally {
      this.running -= 1;
      this.pump();
    }
  }
}
