import { describe, expect, it } from 'vitest';

import { belongsTo, fromAddress, isFiltered, NO_FILTERS, toAddress, toQuery } from './filters';

const SOME = {
  modality: 'CT',
  institution: 'qingshan',
  from: '2026-05-01',
  to: '2026-05-12',
  unidentified: true,
  conflicts: false,
};
const ROW = {
  modalities: ['CT'],
  institution: { code: 'qingshan' },
  study_date_time: '2026-05-12T10:21:00',
  unidentified: true,
  conflicts: 0,
};

describe('the filters of the study list', () => {
  it('come back from the address as they went in', () => {
    expect(fromAddress(toAddress(SOME))).toEqual(SOME);
    expect(fromAddress(toAddress(NO_FILTERS))).toEqual(NO_FILTERS);
    expect(toAddress(NO_FILTERS).toString()).toBe('');
  });

  it('pass over what is none of theirs', () => {
    expect(fromAddress(new URLSearchParams('modality=<script>&from=yesterday&q=陈建国&unidentified=yes'))).toEqual(
      NO_FILTERS,
    );
  });

  it('ask the server with what was typed, which the address never holds', () => {
    expect(toQuery(SOME, ' cjg ', 'n2').toString()).toBe(
      'limit=50&q=cjg&modality=CT&institution=qingshan&date_from=2026-05-01&date_to=2026-05-12&unidentified=true&cursor=n2',
    );
    expect(toAddress(SOME).toString()).not.toContain('cjg');
    expect([isFiltered(NO_FILTERS, ''), isFiltered(NO_FILTERS, 'x'), isFiltered(SOME, '')]).toEqual([
      false,
      true,
      true,
    ]);
  });

  it('offer a new study only where it belongs', () => {
    expect(belongsTo(ROW, SOME, '')).toBe(true);
    expect(belongsTo(ROW, NO_FILTERS, '')).toBe(true);
    expect(belongsTo(ROW, NO_FILTERS, 'cjg')).toBe(false);
    expect(belongsTo({ ...ROW, modalities: ['DX'] }, SOME, '')).toBe(false);
    expect(belongsTo({ ...ROW, study_date_time: null }, SOME, '')).toBe(false);
    expect(belongsTo({ ...ROW, study_date_time: '2026-05-13T00:01:00' }, SOME, '')).toBe(false);
    expect(belongsTo(ROW, { ...NO_FILTERS, conflicts: true }, '')).toBe(false);
  });
});
