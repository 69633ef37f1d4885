/** The batch that is being sent, kept outside the page so that going to another tab does not stop it. */

import { create } from 'zustand';

import { randomName } from '../../api/random';
import type { ToSend } from './inspect';
import type { KeptBatch } from './kept-batch';
import { type BatchView, Sender } from './sender';

interface Store {
  sender: Sender | null;
  view: BatchView | null;
  /** Something was found and waits to be checked: its button is then the page's main one. */
  checking: boolean;
  /** Studies this page has sent: what comes of them in the queue the person has caused just now. */
  studies: ReadonlySet<string>;
}

export const useSending = create<Store>(() => ({ sender: null, view: null, checking: false, studies: new Set<string>() }));

/** Begins to send; *kept* is the batch a closed page left behind, when its folder was chosen again. */
export function beginSending(folder: string, files: readonly ToSend[], username: string, kept: KeptBatch | null): void {
  useSending.getState().sender?.close();
  const batch = kept && kept.folder === folder ? kept.batch : randomName();
  const sender = new Sender(batch, folder, files, username, (view) => useSending.setState({ view }));
  useSending.setState(({ studies }) => ({
    sender,
    view: null,
    studies: new Set([...studies, ...files.flatMap((file) => file.studies)]),
  }));
  void sender.start();
}

export function endSending(): void {
  useSending.getState().sender?.close();
  useSending.setState({ sender: null, view: null });
}
