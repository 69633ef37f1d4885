/** What is sent, what is safe and what comes next, for one batch of files. No input or output: the tus shell acts on it. */

export type FileState =
  /** Not sent yet, or cut and to be sent again. */
  | 'waiting'
  | 'sending'
  /** All bytes are at the node, which has not yet said that they are safe. */
  | 'delivered'
  | 'safe'
  /** The node will never take this one; its reason is known. */
  | 'refused'
  | 'skipped'
  /** This computer could not read it just now; it is read again in a moment. */
  | 'resting'
  /** This computer cannot read it: somebody puts the stick back and has it read again, or leaves it out. */
  | 'unreadable'
  /** A person leaves it out. */
  | 'left';

export interface SendingFile {
  id: string;
  name: string;
  size: number;
  state: FileState;
  sent: number;
  /** Cuts in a row, for the wait before the next try. */
  cuts: number;
  /** Times this computer could not read it. */
  failedReads: number;
  reasonCode: string;
  /** Server's id of the upload, once it has one. */
  uploadId: string;
}

export type Act =
  | { act: 'start'; id: string }
  | { act: 'progress'; id: string; sent: number }
  | { act: 'delivered'; id: string; uploadId: string }
  | { act: 'cut'; id: string }
  | { act: 'refused'; id: string; reasonCode: string }
  | { act: 'unread'; id: string }
  | { act: 'reread'; id: string }
  | { act: 'leave'; id: string }
  | { act: 'heard'; id: string; state: 'receiving' | 'safe' | 'refused' | 'skipped'; reasonCode: string }
  | { act: 'again'; id: string }
  | { act: 'pause'; paused: boolean }
  | { act: 'line'; online: boolean };

/** States no later word changes, except a person's: `again`, and `leave` for what cannot be read. */
const SETTLED: ReadonlySet<FileState> = new Set(['safe', 'refused', 'skipped', 'unreadable', 'left']);
/** A stick with a loose contact is read on the second try; more tries only wear a broken disc. */
const READ_TRIES = 3;

export type FileAct = Exclude<Act, { act: 'pause' } | { act: 'line' }>;

/** The file after *act*; an act that comes too late gives the same file back. */
export function move(file: SendingFile, act: FileAct): SendingFile {
  if (act.act === 'again') {
    return file.state === 'refused' || file.state === 'unreadable'
      ? { ...file, state: 'waiting', sent: 0, cuts: 0, failedReads: 0, reasonCode: '', uploadId: '' }
      : file;
  }
  if (act.act === 'leave') return file.state === 'unreadable' ? { ...file, state: 'left' } : file;
  if (SETTLED.has(file.state)) return file;
  switch (act.act) {
    case 'start':
      return file.state === 'waiting' ? { ...file, state: 'sending' } : file;
    case 'progress':
      // A bar never goes back: after a cut the node may hold less than was on the way.
      return file.state === 'sending' ? { ...file, sent: Math.max(file.sent, Math.min(act.sent, file.size)) } : file;
    case 'delivered':
      return file.state === 'sending'
        ? { ...file, state: 'delivered', sent: file.size, cuts: 0, uploadId: act.uploadId }
        : file;
    case 'cut':
      return file.state === 'sending' ? { ...file, state: 'waiting', cuts: file.cuts + 1 } : file;
    case 'refused':
      return { ...file, state: 'refused', reasonCode: act.reasonCode };
    case 'unread':
      return file.state === 'sending' ? unread(file) : file;
    case 'reread':
      return file.state === 'resting' ? { ...file, state: 'waiting' } : file;
    case 'heard':
      return heard(file, act.state, act.reasonCode);
  }
}

function unread(file: SendingFile): SendingFile {
  const failedReads = file.failedReads + 1;
  return { ...file, failedReads, state: failedReads < READ_TRIES ? 'resting' : 'unreadable' };
}

function heard(
  file: SendingFile,
  state: 'receiving' | 'safe' | 'refused' | 'skipped',
  reasonCode: string,
): SendingFile {
  if (state === 'receiving') return file;
  return { ...file, state, reasonCode, sent: state === 'safe' ? file.size : file.sent };
}

export interface Tally {
  total: number;
  safe: number;
  refused: number;
  skipped: number;
  unreadable: number;
  left: number;
  /** All bytes are at the node, its word is awaited. */
  delivered: number;
  /** Files somebody still waits for. */
  open: number;
  bytes: number;
  sentBytes: number;
}

/** One batch of files and where each stands. Its sums are kept as it goes: a disc may hold 50,000 files. */
export class Sending {
  readonly files = new Map<string, SendingFile>();
  paused = false;
  online = true;
  private readonly waiting = new Set<string>();
  private onTheWay = 0;
  private readonly sums: Tally = {
    total: 0,
    safe: 0,
    refused: 0,
    skipped: 0,
    unreadable: 0,
    left: 0,
    delivered: 0,
    open: 0,
    bytes: 0,
    sentBytes: 0,
  };

  constructor(files: readonly { id: string; name: string; size: number }[]) {
    for (const { id, name, size } of files) {
      this.files.set(id, { id, name, size, state: 'waiting', sent: 0, cuts: 0, failedReads: 0, reasonCode: '', uploadId: '' });
      this.waiting.add(id);
      this.sums.total += 1;
      this.sums.open += 1;
      this.sums.bytes += size;
    }
  }

  /** Does *act* and returns whether it changed anything. */
  act(act: Act): boolean {
    if (act.act === 'pause') {
      this.paused = act.paused;
      return true;
    }
    if (act.act === 'line') {
      this.online = act.online;
      return true;
    }
    const before = this.files.get(act.id);
    if (!before) return false;
    const after = move(before, act);
    if (after === before) return false;
    this.files.set(after.id, after);
    this.count(before, -1);
    this.count(after, 1);
    if (after.state === 'waiting') this.waiting.add(after.id);
    else this.waiting.delete(after.id);
    return true;
  }

  private count(file: SendingFile, by: 1 | -1): void {
    const { sums } = this;
    const { state } = file;
    const settled = SETTLED.has(state);
    if (state === 'safe' || state === 'refused' || state === 'skipped') sums[state] += by;
    if (state === 'unreadable' || state === 'left' || state === 'delivered') sums[state] += by;
    if (state === 'sending') this.onTheWay += by;
    if (!settled) sums.open += by;
    sums.sentBytes += by * (settled ? file.size : file.sent);
  }

  /** The files to start now, so that at most *atOnce* are on the way; none while paused or without a line. */
  toStart(atOnce: number): string[] {
    if (this.paused || !this.online) return [];
    const free = Math.max(0, atOnce - this.onTheWay);
    const found: string[] = [];
    for (const id of this.waiting) {
      if (found.length >= free) break;
      found.push(id);
    }
    return found;
  }

  get tally(): Readonly<Tally> {
    return { ...this.sums };
  }
}

/** Milliseconds before a file that was cut *cuts* times in a row is tried again. */
export function againAfterMs(cuts: number): number {
  return Math.min(15_000, 500 * 2 ** Math.min(cuts, 6));
}

/** Which batch has its turn now: the first that waits, once none before it is under way; -1 for none. */
export function nextTurn(batches: readonly { started: boolean; view: { done: boolean } }[]): number {
  if (batches.some(({ started, view }) => started && !view.done)) return -1;
  return batches.findIndex(({ started }) => !started);
}
