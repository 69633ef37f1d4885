/** Sends one batch over tus and keeps at it: the asynchronous shell around the sending machine. */

import * as tus from 'tus-js-client';

import { ask, csrfHeader, Problem, underSession } from '../../api/client';
import type { HaveFile, UploadBatch } from '../../api/types';
import { holdsAll, type ToSend } from './inspect';
import { forgetBatch, keepBatch } from './kept-batch';
import { isUnreadable, readerOf } from './local-file';
import { areAlike, type Lost, lostAmong, NOTHING_LOST } from './lost';
import { againAfterMs, type FileState, Sending, type Tally } from './sending-machine';

/** A browser opens six connections to a server; three leave room for the page itself. */
const AT_ONCE = 3;
/** A piece small enough that a cut loses seconds, large enough that its head costs nothing. */
const PIECE_BYTES = 8 * 1024 * 1024;
const ASK_AGAIN_MS = 1_000;
const SLOWEST_ASK_MS = 5_000;
/** What is refused that was sent as the session changed. */
const SESSION_BEFORE = 'foreign-page';

const LOST: ReadonlySet<FileState> = new Set(['refused', 'unreadable', 'left']);

export interface BatchView {
  batch: string;
  folder: string;
  tally: Tally;
  paused: boolean;
  online: boolean;
  /** Those with an id can be sent again from here; members of a zip cannot. */
  refused: { id: string; name: string; reasonCode: string }[];
  /** What this computer cannot read: somebody has to do something about these. */
  unreadable: { id: string; name: string }[];
  /** Of each study what does not come from here, as long as that stays so. */
  lost: Lost;
  /** Files the node already had when this batch began. */
  already: number;
  done: boolean;
}

type Heard = (view: BatchView) => void;

export class Sender {
  private readonly sending: Sending;
  private readonly byId: Map<string, ToSend>;
  private readonly uploads = new Map<string, tus.Upload>();
  private readonly timers = new Set<ReturnType<typeof setTimeout>>();
  private readonly inZip = new Map<string, { id: string; name: string; reasonCode: string }>();
  private asking: ReturnType<typeof setTimeout> | undefined;
  private askWait = ASK_AGAIN_MS;
  private already = 0;
  private lost = NOTHING_LOST;
  private told = 0;
  private closed = false;

  constructor(
    readonly batch: string,
    readonly folder: string,
    /** What was found in the folder, also of what is not sent. */
    private readonly print: string,
    files: readonly ToSend[],
    private readonly username: string,
    private readonly heard: Heard,
  ) {
    this.byId = new Map(files.map((file) => [file.picked.path, file]));
    this.sending = new Sending(
      [...this.byId].map(([id, file]) => ({ id, name: file.picked.path, size: file.picked.file.size })),
    );
    this.sending.act({ act: 'line', online: navigator.onLine });
  }

  /** Asks what the node already has, then sends the rest. */
  async start(): Promise<void> {
    window.addEventListener('online', this.lineCame);
    window.addEventListener('offline', this.lineWent);
    window.addEventListener('beforeunload', this.warn);
    this.tell(true);
    await this.skipWhatIsThere();
    this.pump();
  }

  /** Lets go of everything; what the node has stays there. */
  close(): void {
    this.closed = true;
    for (const upload of this.uploads.values()) void upload.abort();
    this.uploads.clear();
    for (const timer of this.timers) clearTimeout(timer);
    clearTimeout(this.asking);
    window.removeEventListener('online', this.lineCame);
    window.removeEventListener('offline', this.lineWent);
    window.removeEventListener('beforeunload', this.warn);
  }

  pause(paused: boolean): void {
    this.sending.act({ act: 'pause', paused });
    if (paused) this.abortAll();
    this.tell(true);
    this.pump();
  }

  again(ids: readonly string[]): void {
    for (const id of ids) this.sending.act({ act: 'again', id });
    window.addEventListener('beforeunload', this.warn);
    this.tell(true);
    this.pump();
  }

  /** Leaves out what this computer cannot read. */
  leave(ids: readonly string[]): void {
    for (const id of ids) this.sending.act({ act: 'leave', id });
    this.tell(true);
  }

  private readonly warn = (event: BeforeUnloadEvent) => {
    if (this.sending.tally.open > 0) event.preventDefault();
  };

  private readonly lineWent = () => {
    this.sending.act({ act: 'line', online: false });
    this.abortAll();
    this.tell(true);
  };

  private readonly lineCame = () => {
    this.sending.act({ act: 'line', online: true });
    this.tell(true);
    this.pump();
    this.askSoon();
  };

  private abortAll(): void {
    for (const [id, upload] of this.uploads) {
      void upload.abort();
      this.sending.act({ act: 'cut', id });
    }
    this.uploads.clear();
  }

  private async skipWhatIsThere(): Promise<void> {
    const files: HaveFile[] = [...this.byId.values()].map((file) => ({
      name: file.picked.path,
      size: file.picked.file.size,
      // Of the images it is told of the node knows when some are still to come.
      ...(file.sopInstance ? { sop_instance_uid: file.sopInstance, study_instance_uid: file.studies[0] ?? '' } : {}),
    }));
    try {
      const answer = await ask<{ files: { name: string; state: string }[] }>(`/api/v1/uploads/${this.batch}/have`, {
        method: 'POST',
        body: { files },
      });
      for (const { name } of answer.files) {
        this.sending.act({ act: 'heard', id: name, state: 'safe', reasonCode: '' });
        this.already += 1;
      }
    } catch (error) {
      // Sending again what is there only costs the line: the node keeps one of each.
      if (!(error instanceof Problem)) throw error;
    }
  }

  private pump(): void {
    if (this.closed) return;
    for (const id of this.sending.toStart(AT_ONCE)) {
      this.sending.act({ act: 'start', id });
      void this.send(id);
    }
    this.tell();
  }

  private async send(id: string): Promise<void> {
    const file = this.byId.get(id);
    if (!file) return;
    const resumable = file.picked.file.size > PIECE_BYTES;
    let answered = underSession();
    const upload: tus.Upload = new tus.Upload(file.picked.file, {
      endpoint: '/uploads/',
      fileReader: readerOf(() => this.uploads.get(id) !== upload),
      chunkSize: PIECE_BYTES,
      uploadDataDuringCreation: true,
      // Only what is long is worth going on with after a reload; the rest is asked for by name.
      storeFingerprintForResuming: resumable,
      removeFingerprintOnSuccess: true,
      fingerprint: async () =>
        ['yilian', this.username, id, file.picked.file.size, file.picked.file.lastModified].join('|'),
      retryDelays: null,
      // Each of its requests is of whoever is signed in by then: a long one outlives a session.
      onBeforeRequest: (request) => {
        answered = underSession();
        for (const [name, value] of Object.entries(csrfHeader())) request.setHeader(name, value);
      },
      metadata: { kind: file.kind, filename: id, batch: this.batch },
      onProgress: (sent) => {
        if (this.sending.act({ act: 'progress', id, sent })) this.tell();
      },
      onSuccess: () => this.delivered(id, upload),
      onError: (error) => this.failed(id, upload, error, (status) => answered(status)),
    });
    this.uploads.set(id, upload);
    if (resumable) {
      const before = await upload.findPreviousUploads();
      if (before[0]) upload.resumeFromPreviousUpload(before[0]);
    }
    if (this.uploads.get(id) === upload) upload.start();
  }

  private delivered(id: string, upload: tus.Upload): void {
    if (this.uploads.get(id) !== upload) return;
    this.uploads.delete(id);
    this.sending.act({ act: 'delivered', id, uploadId: (upload.url ?? '').split('/').pop() ?? '' });
    this.askWait = ASK_AGAIN_MS;
    this.askSoon();
    this.pump();
  }

  private failed(id: string, upload: tus.Upload, error: Error | tus.DetailedError, answered: (status: number) => void): void {
    if (this.uploads.get(id) !== upload) return;
    this.uploads.delete(id);
    if (isUnreadable(error)) {
      this.unread(id);
      return;
    }
    const answer = 'originalResponse' in error ? error.originalResponse : null;
    const status = answer?.getStatus() ?? 0;
    answered(status);
    const reasonCode = reasonOf(answer?.getBody() ?? '', status);
    if (isForGood(status) && reasonCode !== SESSION_BEFORE) {
      this.sending.act({ act: 'refused', id, reasonCode });
      this.pump();
      return;
    }
    // The line, the node or the session: the same file, later, for as long as it takes.
    this.sending.act({ act: 'cut', id });
    this.tell(true);
    this.later(againAfterMs(this.sending.files.get(id)?.cuts ?? 0), () => this.pump());
  }

  /** The line has nothing to do with it: the others go on, this one is read again a few times. */
  private unread(id: string): void {
    this.sending.act({ act: 'unread', id });
    this.tell(true);
    const file = this.sending.files.get(id);
    if (file?.state === 'resting') {
      this.later(againAfterMs(file.failedReads), () => {
        this.sending.act({ act: 'reread', id });
        this.pump();
      });
    }
    this.pump();
  }

  private later(ms: number, run: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      run();
    }, ms);
    this.timers.add(timer);
  }

  private askSoon(): void {
    if (this.closed || this.asking !== undefined) return;
    this.asking = setTimeout(() => {
      this.asking = undefined;
      void this.hear();
    }, this.askWait);
  }

  /** Asks what became of the delivered files, until the node has an answer for each. */
  private async hear(): Promise<void> {
    try {
      const { files } = await ask<UploadBatch>(`/api/v1/uploads/${this.batch}`);
      for (const file of files) {
        this.sending.act({ act: 'heard', id: file.filename, state: file.state, reasonCode: file.reason_code });
        // A zip is taken although some of its members are not.
        for (const { name, reason_code: reasonCode } of file.state === 'safe' ? file.refused : []) {
          this.inZip.set(`${file.filename}!${name}`, { id: '', name, reasonCode });
        }
      }
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
    }
    this.tell(true);
    if (this.sending.tally.delivered > 0) {
      this.askWait = Math.min(SLOWEST_ASK_MS, this.askWait * 1.5);
      this.askSoon();
    }
  }

  /** Tells the page, at most ten times a second unless *atOnce*. */
  private tell(atOnce = false): void {
    if (this.closed) return;
    const done = this.sending.tally.open === 0;
    const at = performance.now();
    if (!atOnce && !done && at - this.told < 100) return;
    this.told = at;
    this.remember();
    if (done) window.removeEventListener('beforeunload', this.warn);
    this.heard(this.view);
  }

  /** Keeps for a page that is opened later how far this batch is, while there is anything left of it. */
  remember(): void {
    const { tally } = this.sending;
    if (tally.open + tally.unreadable === 0) {
      forgetBatch(this.batch);
      return;
    }
    const { batch, folder, print, username } = this;
    keepBatch({ batch, folder, print, total: tally.total, safe: tally.safe, username });
  }

  /** Whether *files* hold all of this batch that could not be read: its folder was chosen again. */
  isFoundAgainIn(files: readonly ToSend[]): boolean {
    const lost = this.view.unreadable.flatMap(({ id }) => this.byId.get(id) ?? []);
    return lost.length > 0 && holdsAll(files, lost);
  }

  /** The same map as long as nothing more is lost or found: who looks at it is not told for nothing. */
  private lostNow(): Lost {
    const gone = [...this.sending.files.values()].filter(({ state }) => LOST.has(state));
    const lost = lostAmong(gone.flatMap(({ id }) => this.byId.get(id) ?? []));
    if (!areAlike(lost, this.lost)) this.lost = lost;
    return this.lost;
  }

  /** How it stands now, for the page. */
  get view(): BatchView {
    const { tally, paused, online } = this.sending;
    const refused = [...this.sending.files.values()]
      .filter(({ state }) => state === 'refused')
      .map(({ id, name, reasonCode }) => ({ id, name, reasonCode }))
      .concat([...this.inZip.values()]);
    const unreadable = [...this.sending.files.values()]
      .filter(({ state }) => state === 'unreadable')
      .map(({ id, name }) => ({ id, name }));
    const { batch, folder, already } = this;
    const lost = this.lostNow();
    return { batch, folder, tally, paused, online, refused, unreadable, lost, already, done: tally.open === 0 };
  }
}

/** Answers that asking again would not change: not those of a busy, full, restarting or signed-out server. */
function isForGood(status: number): boolean {
  return status >= 400 && status < 500 && ![401, 404, 408, 409, 410, 423, 429, 460].includes(status);
}

function reasonOf(body: string, status: number): string {
  try {
    const code = (JSON.parse(body) as { code?: unknown }).code;
    if (typeof code === 'string') return code;
  } catch {
    // Not problem+json: the status stands for it.
  }
  return `http-${status}`;
}
