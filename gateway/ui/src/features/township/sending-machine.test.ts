import { describe, expect, it } from 'vitest';

import { type Act, againAfterMs, nextTurn, Sending } from './sending-machine';

const files = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ id: `f${index}`, name: `f${index}`, size: 100 }));
const start = (sending: Sending) => sending.toStart(3).forEach((id) => sending.act({ act: 'start', id }));

/** Sums counted again from the files: the kept ones must agree after any act. */
function counted(sending: Sending) {
  const all = [...sending.files.values()];
  const settled = (state: string) => ['safe', 'refused', 'skipped', 'unreadable', 'left'].includes(state);
  const of = (state: string) => all.filter((file) => file.state === state).length;
  return {
    total: all.length,
    safe: of('safe'),
    refused: of('refused'),
    skipped: of('skipped'),
    unreadable: of('unreadable'),
    left: of('left'),
    delivered: of('delivered'),
    open: all.filter(({ state }) => !settled(state)).length,
    bytes: all.reduce((sum, { size }) => sum + size, 0),
    sentBytes: all.reduce((sum, { state, size, sent }) => sum + (settled(state) ? size : sent), 0),
  };
}

describe('sending a batch', () => {
  it('keeps at most three on the way', () => {
    const sending = new Sending(files(10));
    start(sending);
    expect(sending.toStart(3)).toEqual([]);
    sending.act({ act: 'delivered', id: 'f0', uploadId: 'u0' });
    expect(sending.toStart(3)).toEqual(['f3']);
  });

  it('starts nothing while paused or without a line, and goes on by itself', () => {
    const sending = new Sending(files(2));
    sending.act({ act: 'line', online: false });
    expect(sending.toStart(3)).toEqual([]);
    sending.act({ act: 'line', online: true });
    sending.act({ act: 'pause', paused: true });
    expect(sending.toStart(3)).toEqual([]);
    sending.act({ act: 'pause', paused: false });
    expect(sending.toStart(3)).toEqual(['f0', 'f1']);
  });

  it('never shows less than before after a cut, and sends the file again', () => {
    const sending = new Sending(files(1));
    start(sending);
    sending.act({ act: 'progress', id: 'f0', sent: 60 });
    sending.act({ act: 'cut', id: 'f0' });
    expect(sending.toStart(3)).toEqual(['f0']);
    start(sending);
    sending.act({ act: 'progress', id: 'f0', sent: 10 });
    expect(sending.tally.sentBytes).toBe(60);
  });

  it('calls a file safe only on the word of the node', () => {
    const sending = new Sending(files(1));
    start(sending);
    sending.act({ act: 'delivered', id: 'f0', uploadId: 'u' });
    expect(sending.tally).toMatchObject({ safe: 0, delivered: 1, open: 1 });
    sending.act({ act: 'heard', id: 'f0', state: 'receiving', reasonCode: '' });
    expect(sending.tally.safe).toBe(0);
    sending.act({ act: 'heard', id: 'f0', state: 'safe', reasonCode: '' });
    expect(sending.tally).toMatchObject({ safe: 1, open: 0 });
  });

  it('lets one refused file stop no other, and takes it up again when asked', () => {
    const sending = new Sending(files(2));
    start(sending);
    sending.act({ act: 'refused', id: 'f0', reasonCode: 'truncated' });
    sending.act({ act: 'delivered', id: 'f1', uploadId: 'u' });
    sending.act({ act: 'heard', id: 'f1', state: 'safe', reasonCode: '' });
    expect(sending.tally).toMatchObject({ refused: 1, safe: 1, open: 0 });
    sending.act({ act: 'again', id: 'f0' });
    expect(sending.toStart(3)).toEqual(['f0']);
  });

  const failToRead = (sending: Sending, id: string) => {
    sending.act({ act: 'unread', id });
    sending.act({ act: 'reread', id });
    start(sending);
  };

  it('reads a file that could not be read a few times more, never beside the line, and then lets the batch end', () => {
    const sending = new Sending(files(2));
    start(sending);
    sending.act({ act: 'unread', id: 'f0' });
    // It rests: nobody starts it before its time, and its place on the way is free.
    expect(sending.tally).toMatchObject({ unreadable: 0, open: 2 });
    expect(sending.toStart(3)).toEqual([]);
    sending.act({ act: 'reread', id: 'f0' });
    start(sending);
    failToRead(sending, 'f0');
    failToRead(sending, 'f0');
    expect(sending.tally).toMatchObject({ unreadable: 1, open: 1 });
    sending.act({ act: 'delivered', id: 'f1', uploadId: 'u' });
    sending.act({ act: 'heard', id: 'f1', state: 'safe', reasonCode: '' });
    expect(sending.tally).toMatchObject({ unreadable: 1, safe: 1, refused: 0, open: 0 });
  });

  it('counts no cut of the line as a failure to read', () => {
    const sending = new Sending(files(1));
    for (let cut = 0; cut < 50; cut += 1) {
      start(sending);
      sending.act({ act: 'cut', id: 'f0' });
    }
    expect(sending.toStart(3)).toEqual(['f0']);
    expect(sending.tally.unreadable).toBe(0);
  });

  it('reads what could not be read from the beginning when asked, or leaves it out for good', () => {
    const sending = new Sending(files(2));
    start(sending);
    for (let read = 0; read < 3; read += 1) ['f0', 'f1'].forEach((id) => failToRead(sending, id));
    expect(sending.tally).toMatchObject({ unreadable: 2, open: 0 });
    sending.act({ act: 'again', id: 'f0' });
    expect(sending.toStart(3)).toEqual(['f0']);
    start(sending);
    failToRead(sending, 'f0');
    expect(sending.tally).toMatchObject({ unreadable: 1, open: 1 });
    sending.act({ act: 'leave', id: 'f1' });
    sending.act({ act: 'again', id: 'f1' });
    expect(sending.tally).toMatchObject({ unreadable: 0, left: 1, open: 1 });
  });

  it('leaves nothing out that can still be read', () => {
    const sending = new Sending(files(1));
    start(sending);
    sending.act({ act: 'leave', id: 'f0' });
    expect(sending.tally).toMatchObject({ left: 0, open: 1 });
  });

  it('keeps its sums right through any order of acts, and never unsettles a safe file', () => {
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 1103515245 + 12345) & 0x7fffffff;
      return seed % below;
    };
    const sending = new Sending(files(6));
    const safe = new Set<string>();
    for (let turn = 0; turn < 4000; turn += 1) {
      const id = `f${random(7)}`;
      const acts: Act[] = [
        { act: 'start', id },
        { act: 'progress', id, sent: random(150) },
        { act: 'delivered', id, uploadId: 'u' },
        { act: 'cut', id },
        { act: 'heard', id, state: random(20) ? 'receiving' : 'safe', reasonCode: '' },
        { act: 'refused', id, reasonCode: 'x' },
        { act: 'unread', id },
        { act: 'reread', id },
        { act: 'leave', id },
        { act: 'again', id },
      ];
      const act = acts[random(acts.length)];
      if (act) sending.act(act);
      expect(sending.tally).toEqual(counted(sending));
      for (const file of sending.files.values()) if (file.state === 'safe') safe.add(file.id);
      for (const one of safe) expect(sending.files.get(one)?.state).toBe('safe');
    }
  });

  it('waits longer after each cut, within bounds', () => {
    expect([0, 1, 2, 30].map(againAfterMs)).toEqual([500, 1000, 2000, 15_000]);
  });
});

describe('several batches', () => {
  const batch = (started: boolean, done: boolean) => ({ started, view: { done } });

  it('go one after the other, in the order they were added', () => {
    expect(nextTurn([])).toBe(-1);
    expect(nextTurn([batch(false, false), batch(false, false)])).toBe(0);
    expect(nextTurn([batch(true, false), batch(false, false)])).toBe(-1);
    expect(nextTurn([batch(true, true), batch(false, false), batch(false, false)])).toBe(1);
    expect(nextTurn([batch(true, true), batch(true, true)])).toBe(-1);
  });
});
