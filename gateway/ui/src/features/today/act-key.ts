/** Names for acts, so that each happens once however often it is sent. */

import { randomName } from '../../api/random';

/**
 * Keys of the acts of one page. The same act asked again, with the same content, keeps its key until the server has
 * answered: no answer does not mean that nothing happened.
 */
export class ActKeys {
  private readonly kept = new Map<string, string>();

  constructor(private readonly make: () => string = randomName) {}

  /** The key of asking *path* for *body*. */
  keyOf(path: string, body: unknown): string {
    const act = `${path} ${JSON.stringify(body)}`;
    const known = this.kept.get(act);
    if (known) return known;
    const key = this.make();
    this.kept.set(act, key);
    return key;
  }

  /** The server has answered: asking the same anew is another act. */
  answered(path: string, body: unknown): void {
    this.kept.delete(`${path} ${JSON.stringify(body)}`);
  }
}
