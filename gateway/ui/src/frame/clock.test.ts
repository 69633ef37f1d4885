import { afterEach, describe, expect, it } from 'vitest';

import {
  absolute,
  clockTime,
  countyMoment,
  dayAndTime,
  shortTime,
  dicomDate,
  dicomTime,
  fileSize,
  moment,
  now,
  rate,
  setServerTime,
  today,
} from './clock';

const AT = new Date('2026-05-12T08:05:00Z'); // 16:05 in the county

describe('times on screen', () => {
  afterEach(() => setServerTime(new Date().toISOString()));

  it.each([
    ['2026-05-12T02:42:00Z', '今天10:42', 'Today 10:42'],
    ['2026-05-11T16:00:00Z', '今天00:00', 'Today 00:00'],
    ['2026-05-11T15:59:59Z', '昨天23:59', 'Yesterday 23:59'],
    ['2026-02-01T08:05:00Z', '02-01 16:05', '1 Feb 2026, 16:05'],
    ['2025-05-12T08:05:00Z', '2025-05-12 16:05', '12 May 2025, 16:05'],
    ['2025-05-12', '2025-05-12', '12 May 2025'],
    ['2026-05-12', '今天', 'Today'],
  ])('reads %s as %s and %s', (iso, zh, en) => {
    expect(dayAndTime(iso, 'zh-CN', AT)).toBe(zh);
    expect(dayAndTime(iso, 'en', AT)).toBe(en);
  });

  it.each([
    ['2026-05-12T02:42:00Z', '10:42', '10:42'],
    ['2026-05-11T15:59:59Z', '昨天23:59', 'yesterday 23:59'],
    ['2026-05-12T20:00:00Z', '05-13 04:00', '13 May 2026, 04:00'],
  ])('says the day of %s where it is another one', (iso, zh, en) => {
    expect(shortTime(iso, 'zh-CN', AT)).toBe(zh);
    expect(shortTime(iso, 'en', AT)).toBe(en);
  });

  it('takes a time without a zone for the county wall clock, wherever the PC thinks it is', () => {
    expect(moment('2026-05-12T10:21:00').toISOString()).toBe('2026-05-12T02:21:00.000Z');
    expect(moment('2026-05-12T02:21:00Z').toISOString()).toBe('2026-05-12T02:21:00.000Z');
    expect(moment('2026-05-12T10:21:00+0800').toISOString()).toBe('2026-05-12T02:21:00.000Z');
  });

  it('shows absolute times for hover', () => {
    expect(absolute('2026-05-12T02:42:00Z', 'zh-CN')).toBe('2026-05-12 10:42');
    expect(absolute('2026-05-12T02:42:00Z', 'en')).toBe('12 May 2026, 10:42');
  });

  it('goes by the server when the PC runs wrong', () => {
    setServerTime('2031-01-01T00:00:00Z');
    expect(today()).toBe('2031-01-01');
    expect(Math.abs(now().getTime() - Date.parse('2031-01-01T00:00:00Z'))).toBeLessThan(1000);
  });

  it('shows seconds only when asked', () => {
    expect(clockTime('2026-05-12T02:42:16Z')).toBe('10:42');
    expect(clockTime('2026-05-12T02:42:16Z', { seconds: true })).toBe('10:42:16');
  });
});

describe('DICOM dates and times', () => {
  it.each([
    ['20260512', '2026-05-12'],
    ['2026.05.12', '2026-05-12'],
    ['20261312', ''],
    ['', ''],
    ['garbage', ''],
  ])('reads %s as %s', (raw, date) => expect(dicomDate(raw)).toBe(date));

  it.each([
    ['102145.123', '10:21'],
    ['10:21:45', '10:21'],
    ['1021', '10:21'],
    ['10', ''],
  ])('reads time %s as %s', (raw, time) => expect(dicomTime(raw)).toBe(time));
});

describe('the time a device wrote', () => {
  it.each([
    ['is on the county’s clock where the object states no offset', '20040119', '072730', '', '2004-01-19', '07:27'],
    ['is brought to it from the offset the object states', '20040119', '072730', '-0500', '2004-01-19', '20:27'],
    ['may be of another day at the county', '20040119', '2227', '-0500', '2004-01-20', '11:27'],
    ['stays where the offset is the county’s', '20260512', '1021', '+0800', '2026-05-12', '10:21'],
    ['stays as written where the offset is none', '20260512', '1021', 'noon', '2026-05-12', '10:21'],
    ['stays as written where the offset cannot be', '20260512', '1021', '+1500', '2026-05-12', '10:21'],
    ['is left as a day where there is no time of day', '20260512', '', '-0500', '2026-05-12', ''],
    ['is left as it is where it is impossible', '20260512', '2561', '-0500', '2026-05-12', '25:61'],
  ])('%s', (_what, date, time, offset, day, minute) =>
    expect(countyMoment(date, time, offset)).toEqual({ date: day, time: minute }));
});

describe('units', () => {
  it('joins value and unit by a no-break space', () => {
    expect(rate(1_800_000)).toBe('1.8\u00A0Mbit/s');
    expect(rate(64_000)).toBe('64\u00A0kbit/s');
    expect(fileSize(214_000_000)).toBe('214\u00A0MB');
    expect(fileSize(400)).toBe('1\u00A0kB');
    expect(fileSize(0)).toBe('0\u00A0kB');
    expect(fileSize(2_500_000_000)).toBe('2.5\u00A0GB');
  });
});
