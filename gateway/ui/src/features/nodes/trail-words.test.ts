import { describe, expect, it } from 'vitest';

import { aboutOf, actOf, whoOf } from './trail-words';

describe('what a row of the trail is about', () => {
  it.each([
    ['line:county', 'nodes.about.line', ''],
    ['name-sha256:0011223344556677', 'nodes.about.typedName', ''],
    ['study:1.2.840.113619.2.55.3.123456', 'nodes.about.study', '123456'],
    ['1.2.840.113619.2.55.3.123456', 'nodes.about.study', '123456'],
    ['order:01hzy2k3m4n5p6q7r8s9t0abcd', 'nodes.about.order', 't0abcd'],
    ['patient:01hzy2k3m4n5p6q7r8s9t0abcd:phone', 'nodes.about.phone', 't0abcd'],
    ['account:lijing', 'nodes.about.account', 'lijing'],
    ['orders', 'nodes.about.orders', ''],
    ['some-word:nobody-knows', 'nodes.about.other', ''],
  ])('%s is said in words', (subject, key, tail) => expect(aboutOf(subject)).toEqual({ key, tail }));
  it('is nothing where nothing is named', () => expect(aboutOf('')).toBeNull());
});

describe('what was done', () => {
  const row = { event: 'changed', reason: '', detail: {} };
  it('is named by the row', () => expect(actOf({ ...row, detail: { act: 'cancel', version: 3 } })).toEqual({ act: 'cancel', priority: '' }));
  it('says how urgent a study became', () =>
    expect(actOf({ ...row, detail: { act: 'priority', priority: 'emergency' } })).toEqual({ act: 'priority', priority: 'emergency' }));
  it('is found in rows of before', () => expect(actOf({ ...row, reason: 'release' }).act).toBe('release'));
  it('is nothing where the reason says why somebody may', () => expect(actOf({ ...row, reason: 'own-institution' }).act).toBe(''));
});

describe('who a row is of', () => {
  it('is the person', () => expect(whoOf({ username: 'lijing', event: 'queried' })).toEqual({ kind: 'person', name: 'lijing' }));
  it('is no device where somebody could not sign in', () =>
    expect(whoOf({ username: '', event: 'sign-in-refused' })).toEqual({ kind: 'nobody' }));
  it('is the machine itself when it starts', () => expect(whoOf({ username: '', event: 'started' })).toEqual({ kind: 'machine' }));
  it('is a device otherwise', () => expect(whoOf({ username: '', event: 'changed' })).toEqual({ kind: 'device' }));
});
