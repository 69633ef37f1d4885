import { describe, expect, it } from 'vitest';

import type { QueueItem } from '../../api/types';
import { brokenOf, hereOf, lineWord, matches, pinned, progress, wayOf } from './queue-words';

function item(part: Partial<QueueItem>): QueueItem {
  return {
    study_instance_uid: '2.25.1',
    patient: { name: '陈建国', sex: 'M', age: null, patient_id: 'QS0031827' },
    modality: 'CT',
    description: '头颅',
    body_part: 'HEAD',
    study_date_time: null,
    priority: 'routine',
    patient_is_now: null,
    paused: false,
    put_first: false,
    instances: { here: 60, sent: 37, at_county: 37, set_aside: 0, released: 0 },
    completeness: { expected: 60, basis: 'mpps', here: 60, arrived: 37, state: 'on-the-way' },
    state: 'sending',
    position: 1,
    eta: null,
    county_received_at: null,
    unidentified: false,
    conflicts: 0,
    set_aside: [],
    damaged_here: 0,
    unread_at_county: 0,
    ...part,
  };
}

describe('what the line cell says', () => {
  it('is never all before the receipt', () => {
    const sent = item({ instances: { here: 60, sent: 60, at_county: 0, set_aside: 0, released: 0 } });
    expect(progress(sent).share).toBeLessThan(1);
    expect(lineWord(sent, 'open')).toBe('allSent');
    expect(progress({ ...sent, state: 'at_county' }).share).toBe(1);
  });

  it.each([
    [item({}), 'open', 'sending'],
    [item({}), 'down', 'waitingLine'],
    [item({}), 'held', 'held'],
    [item({}), 'refused', 'waitingCounty'],
    [item({ state: 'waiting' }), 'open', 'waiting'],
    [item({ state: 'arriving' }), 'open', 'arriving'],
    [item({ paused: true }), 'open', 'paused'],
    [item({ state: 'set_aside' }), 'down', 'aside'],
    [item({ state: 'at_county' }), 'down', 'none'],
  ] as const)('is said for each state', (one, way, word) => expect(lineWord(one, way)).toBe(word));

  it('keeps unsent emergencies on top, whatever else moves', () => {
    const urgent = item({ priority: 'emergency', study_instance_uid: 'u' });
    const done = item({ priority: 'emergency', state: 'at_county', study_instance_uid: 'd' });
    expect(pinned([item({}), done, urgent])).toEqual({ urgent: [urgent], rest: [item({}), done] });
  });

  it('finds by name, number and exam', () => {
    expect(['陈建', 'qs003', 'ct', '头颅', ''].every((typed) => matches(item({}), typed))).toBe(true);
    expect(matches(item({}), '刘')).toBe(false);
  });

  it('finds somebody nobody knew by who that is now', () => {
    const now = { name: '司徒明月', alphabetic_name: 'Situ Mingyue', sex: 'F' as const, age: null, patient_id: 'P7K9' };
    const known = item({ patient_is_now: now });
    for (const typed of ['司徒', 'p7k9', 'situ', 'mingyue', 'situming', 'sm', 'stmy', '陈建'])
      expect(matches(known, typed), typed).toBe(true);
    expect(matches(item({}), '司徒')).toBe(false);
    expect(matches(known, '刘')).toBe(false);
  });

  it('finds a resident number read off a card by its masked form', () => {
    const now = { name: '司徒明月', sex: 'F' as const, age: null, patient_id: '990***********004X' };
    expect(matches(item({ patient_is_now: now }), '99000019800101004x')).toBe(true);
  });
});

describe('the line', () => {
  const at = new Date('2026-05-12T02:42:00Z');
  const line = { state: 'down' as const, since: null, rate_bits_per_s: null };

  it('is down, or closed by the county, or held by somebody: three things to do something different about', () => {
    expect(wayOf({ ...line, state: 'up' }, at)).toBe('open');
    expect(wayOf({ ...line, code: 'line-down' }, at)).toBe('down');
    expect(wayOf({ ...line, code: 'bad-token' }, at)).toBe('refused');
    expect(wayOf({ ...line, code: 'receipt-untrusted' }, at)).toBe('refused');
    expect(wayOf({ ...line, state: 'up', held_until: '2026-05-12T03:00:00Z' }, at)).toBe('held');
    expect(wayOf({ ...line, state: 'up', held_until: '2026-05-12T02:00:00Z' }, at)).toBe('open');
  });

  it('may be held and down at once, and both are known', () => {
    const held = { ...line, code: 'line-down', held_until: '2026-05-12T03:00:00Z' };
    expect([wayOf(held, at), brokenOf(held)]).toEqual(['held', 'down']);
    expect(brokenOf({ ...held, code: 'bad-token' })).toBe('refused');
    expect(brokenOf({ ...held, state: 'up' })).toBe('open');
  });

  it('says how many images are still to come, and when they do not', () => {
    const growing = item({ completeness: { expected: 60, basis: 'mpps', here: 12, arrived: 0, state: 'growing' } });
    expect(hereOf(growing)).toEqual({ here: 12, expected: 60, short: false });
    const short = item({ completeness: { expected: 60, basis: 'mpps', here: 12, arrived: 12, state: 'short' } });
    expect(hereOf(short)?.short).toBe(true);
    expect(hereOf(item({}))).toBeNull();
    // What was refused or left out here does not come: once only that is missing, nothing comes in.
    expect(hereOf(growing, 47)?.short).toBe(false);
    expect(hereOf(growing, 48)?.short).toBe(true);
  });
});
