import { Problem } from '../api/client';
import { lookForNewVersion, useVersion } from './version';

/**
 * *load*, for a part of the page whose code comes when it is first opened. Code that cannot come is told as what it
 * is: a newer build lies at the server, or the server is out of reach; never as a fault of the page.
 */
export function page<Part>(load: () => Promise<Part>): () => Promise<Part> {
  return () =>
    load().catch(async () => {
      if (!(await lookForNewVersion())) throw new Problem(0, 'unreachable', '');
      // Told where it was met, with the way out: no need to tell it in the corner as well.
      useVersion.setState({ later: true });
      throw new Problem(410, 'new-version', '');
    });
}
