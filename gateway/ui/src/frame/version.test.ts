import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Problem } from '../api/client';
import { page } from './page';
import { entryOf, lookForNewVersion, useVersion } from './version';

const html = (entry: string) =>
  `<!doctype html><script src="/ground.js"></script><script type="module" crossorigin src="${entry}"></script>`;

function server(index: Response, entry: Response = new Response('')): void {
  vi.stubGlobal(
    'fetch',
    vi.fn((address: string) => Promise.resolve((address === '/' ? index : entry).clone())),
  );
}

describe('another build at the server', () => {
  beforeEach(() => {
    const own = document.createElement('script');
    own.setAttribute('src', '/assets/index-one.js');
    vi.spyOn(document, 'querySelector').mockReturnValue(own);
    useVersion.setState({ newer: false, later: false });
  });
  afterEach(() => {
    vi.restoreAllMocks();
    vi.unstubAllGlobals();
  });

  it('is named by its entry script', () => {
    expect(entryOf(html('/assets/index-two.js'))).toBe('/assets/index-two.js');
    expect(entryOf('<p>502</p>')).toBe('');
  });

  it('is told and remembered', async () => {
    server(new Response(html('/assets/index-two.js')));
    expect(await lookForNewVersion()).toBe(true);
    expect(useVersion.getState().newer).toBe(true);
  });

  it.each([
    ['the same build', new Response(html('/assets/index-one.js')), new Response('')],
    ['a server that only half has the new one', new Response(html('/assets/index-two.js')), new Response('', { status: 404 })],
    ['a page of somebody in between', new Response('<p>502</p>', { status: 502 }), new Response('')],
  ])('is not %s', async (_, index, entry) => {
    server(index, entry);
    expect(await lookForNewVersion()).toBe(false);
    expect(useVersion.getState().newer).toBe(false);
  });

  it('is the reason told when a part of this one is gone', async () => {
    const gone = page(() => Promise.reject(new TypeError('Failed to fetch dynamically imported module')));
    server(new Response(html('/assets/index-two.js')));
    await expect(gone()).rejects.toMatchObject({ code: 'new-version' });
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')));
    await expect(gone()).rejects.toEqual(new Problem(0, 'unreachable', ''));
  });
});
