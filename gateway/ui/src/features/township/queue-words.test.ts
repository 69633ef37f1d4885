import { describe, expect, it } from 'vitest';

import type { QueueItem } from '../../api/types';
import { lineWord, matches, pinned, progress } from './queue-words';

function item(part: Partial<QueueItem>): QueueItem {
  return {
    study_instance_uid: '2.25.1',
    patient: { name: '陈建国', sex: 'M', age: null, patient_id: 'QS0031827' },
    modality: 'CT',
    description: '头颅',
    body_part: 'HEAD',
    study_date_time: null,
    priority: 'routine',
    instances: { here: 60, sent: 37, at_county: 37, set_aside: 0 },
    state: 'sending',
    position: 1,
    eta: null,
    county_received_at: null,
    unidentified: false,
    conflicts: 0,
    set_aside: [],
    ...part,
  };
}

describe('what the line cell says', () => {
  it('is never all before the receipt', () => {
    const sent = item({ instances: { here: 60, sent: 60, at_county: 0, set_aside: 0 } });
    expect(progress(sent).share).toBeLessThan(1);
    expect(lineWord(sent, true)).toBe('allSent');
    expect(progress({ ...sent, state: 'at_county' }).share).toBe(1);
  });

  it.each([
    [item({}), true, 'sending'],
    [item({}), false, 'waitingLine'],
    [item({ state: 'waiting' }), true, 'waiting'],
    [item({ state: 'arriving' }), true, 'arriving'],
    [item({ paused: true }), true, 'paused'],
    [item({ state: 'set_aside' }), false, 'aside'],
    [item({ state: 'at_county' }), false, 'none'],
  ] as const)('is said for each state', (one, lineUp, word) => expect(lineWord(one, lineUp)).toBe(word));

  it('keeps unsent emergencies on top, whatever else moves', () => {
    const urgent = item({ priority: 'emergency', study_instance_uid: 'u' });
    const done = item({ priority: 'emergency', state: 'at_county', study_instance_uid: 'd' });
    expect(pinned([item({}), done, urgent])).toEqual({ urgent: [urgent], rest: [item({}), done] });
  });

  it('finds by name, number and exam', () => {
    expect(['陈建', 'qs003', 'ct', '头颅', ''].every((typed) => matches(item({}), typed))).toBe(true);
    expect(matches(item({}), '刘')).toBe(false);
  });
});
