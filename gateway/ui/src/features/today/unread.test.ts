import { expect, it } from 'vitest';

import { doneWord, notThere, toldOf, waitOf } from './unread';

const unread = (...items: string[]) => ({ known: true, machine: true, items });
const noMachine = (...items: string[]) => ({ known: true, machine: false, items });
const here = { known: false, machine: true, items: [] };

it('nobody promises the devices an order the township has not read', () => {
  expect(toldOf(true, unread('a', 'b'), ['a'])).toBe('unread');
  expect(doneWord('unread', '')).toBe('today.doneUnread');
  expect(doneWord('unread', '2026-05-12T01:50:00Z')).toBe('today.doneWaits');
});

it('before that is known, nothing is promised either', () => {
  expect(toldOf(true, undefined, ['a'])).toBe('asking');
  expect(doneWord('asking', '')).toBe('today.doneHere');
  expect(doneWord('asking', '2026-05-12T01:50:00Z')).toBe('today.doneWaits');
});

it('what was read is promised, also where the line went down after', () => {
  expect(toldOf(true, unread('b'), ['a'])).toBe('read');
  expect(doneWord('read', '2026-05-12T01:50:00Z')).toBe('today.doneRead');
});

it('a house without a machine is promised nothing, and that is not a line that is down', () => {
  expect(toldOf(true, noMachine('a'), ['a'])).toBe('nobody');
  expect(toldOf(true, noMachine(), ['a'])).toBe('nobody');
  expect(doneWord('nobody', '')).toBe('today.doneNobody');
});

it('the list says of an order that waits why it waits', () => {
  expect(waitOf(notThere(unread('a')), 'a')).toBe('unread');
  expect(waitOf(notThere(unread('a')), 'b')).toBe('');
  expect(waitOf(notThere(noMachine('a')), 'a')).toBe('nobody');
  expect(waitOf(notThere(noMachine('a')), 'b')).toBe('');
  expect(notThere(here).machine).toBe(true);
});

it('where an order is performed where it was made there is nothing to read', () => {
  expect(toldOf(false, undefined, ['a'])).toBe('here');
  expect(toldOf(true, here, ['a'])).toBe('here');
  expect(doneWord('here', '')).toBe('today.doneTitle');
});
