/** The batches that are being sent, kept outside the page so that going to another tab does not stop them. */

import { create } from 'zustand';

import { randomName } from '../../api/random';
import { useSession } from '../../api/session';
import type { ToSend } from './inspect';
import { forgetBatch, type KeptBatch } from './kept-batch';
import { type Lost, NOTHING_LOST, sentAnew } from './lost';
import { type BatchView, Sender } from './sender';
import { nextTurn } from './sending-machine';

export interface Batch {
  sender: Sender;
  view: BatchView;
  /** Whether it has its turn; until then it waits for those before it. */
  started: boolean;
}

interface Store {
  /** In the order they were added. */
  batches: readonly Batch[];
  /** Something was found and waits to be checked: its button is then the page's main one. */
  checking: boolean;
  /** Studies this page has sent: what comes of them in the queue the person has caused just now. */
  studies: ReadonlySet<string>;
  /** By batch, also of one that was closed: what of its studies does not come. */
  lost: ReadonlyMap<string, Lost>;
}

export const useSending = create<Store>(() => ({
  batches: [],
  checking: false,
  studies: new Set<string>(),
  lost: new Map<string, Lost>(),
}));

function heard(view: BatchView): void {
  useSending.setState(({ batches, lost }) => ({
    batches: batches.map((one) => (one.sender.batch === view.batch ? { ...one, view } : one)),
    lost: (lost.get(view.batch) ?? NOTHING_LOST) === view.lost ? lost : new Map(lost).set(view.batch, view.lost),
  }));
  startNext();
}

function startNext(): void {
  const { batches } = useSending.getState();
  const turn = batches[nextTurn(batches)];
  if (!turn) return;
  useSending.setState({ batches: batches.map((one) => (one === turn ? { ...one, started: true } : one)) });
  void turn.sender.start();
}

function isForAPerson({ refused, unreadable }: BatchView): boolean {
  return refused.length + unreadable.length > 0;
}

/**
 * Sends *files* of *folder*, in which all of *print* was found, once what was added before is done; *kept* is the batch
 * a closed page left behind, when its folder was chosen again. Adding a second folder never ends the first.
 */
export function beginSending(
  { folder, print }: { folder: string; print: string },
  files: readonly ToSend[],
  username: string,
  kept?: KeptBatch,
): void {
  const { batches: before } = useSending.getState();
  // What could not be read is in the folder that was chosen again: it is said there how it goes on.
  const foundAgain = new Set(before.filter(({ sender, view }) => view.done && sender.isFoundAgainIn(files)));
  for (const { sender } of foundAgain) {
    sender.close();
    forgetBatch(sender.batch);
  }
  const sender = new Sender(kept?.batch ?? randomName(), folder, print, files, username, heard);
  const sent = new Set(files.flatMap((file) => file.studies));
  useSending.setState(({ batches, studies, lost }) => ({
    // What arrived whole has been said; what did not stays in sight until somebody closes it.
    batches: [
      ...batches.filter((one) => !foundAgain.has(one) && (!one.view.done || isForAPerson(one.view))),
      { sender, view: sender.view, started: false },
    ],
    studies: new Set([...studies, ...sent]),
    lost: sentAnew(lost, sent),
  }));
  sender.remember();
  startNext();
}

/** Lets go of *batch*; what the node has of it stays there. */
export function endSending(batch: string): void {
  useSending.getState().batches.find(({ sender }) => sender.batch === batch)?.sender.close();
  useSending.setState(({ batches }) => ({ batches: batches.filter(({ sender }) => sender.batch !== batch) }));
  forgetBatch(batch);
  startNext();
}

// Whoever signs in next sends nothing in another's name. What is left is kept for the person it belongs to.
useSession.subscribe(({ phase }) => {
  const { batches } = useSending.getState();
  if (phase !== 'signed-out' || batches.length === 0) return;
  for (const { sender } of batches) sender.close();
  useSending.setState({ batches: [], studies: new Set(), lost: new Map() });
});
