import { Problem } from '../api/client';
import { lookForNewVersion } from './version';

/**
 * *load*, for a part of the page whose code comes when it is first opened. Code that cannot come is told as what it
 * is: a newer build lies at the server, or the server is out of reach; never as a fault of the page.
 */
export function page<Part>(load: () => Promise<Part>): () => Promise<Part> {
  return () =>
    load().catch(async () => {
      throw (await lookForNewVersion()) ? new Problem(410, 'new-version', '') : new Problem(0, 'unreachable', '');
    });
}
