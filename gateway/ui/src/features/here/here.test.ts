import { describe, expect, it } from 'vitest';

import type { PriorHere, ReportHere, StudyHere } from '../../api/types';
import { notBack, notBackOf, placeOf, reportOf, reportPath, withWord } from './here';

const study = (over: Partial<StudyHere>): StudyHere => ({
  study_instance_uid: '1.2',
  images: 0,
  gone: 0,
  reports: [],
  prior: null,
  ...over,
});
const prior = (state: PriorHere['state']): PriorHere => ({
  state,
  code: '',
  objects: null,
  here: 0,
  set_aside: 0,
  asked_at: '2026-01-01T00:00:00Z',
});
const report = (over: Partial<ReportHere>): ReportHere => ({
  study_instance_uid: '1.2',
  series_instance_uid: '1.2.3',
  sop_instance_uid: '1.2.3.4',
  form: 'pdf',
  state: 'here',
  at: '2026-01-01T00:00:00Z',
  code: '',
  ...over,
});

describe('where the images of a study are', () => {
  it.each([
    ['whole here', study({ images: 12 }), 'here'],
    ['partly here', study({ images: 3, gone: 9 }), 'part'],
    ['only at the county', study({ gone: 12 }), 'county'],
    ['asked back, the line is down', study({ gone: 12, prior: prior('asked') }), 'asked'],
    ['on the way back, some may be opened', study({ images: 2, gone: 10, prior: prior('fetching') }), 'coming'],
    ['back again', study({ images: 12, prior: prior('here') }), 'here'],
    ['not the county’s to give', study({ prior: prior('refused') }), 'refused'],
    ['what was asked for could not be had', study({ images: 2, gone: 10, prior: prior('set-aside') }), 'aside'],
    ['not all of what was asked for could be had', study({ images: 2, prior: prior('set-aside') }), 'aside'],
    ['refused, and still here', study({ images: 4, prior: prior('refused') }), 'here'],
    ['never here', study({}), 'none'],
  ])('%s', (_, here, place) => expect(placeOf(here)).toBe(place));
  it('is nowhere before the server has said', () => expect(placeOf(undefined)).toBe('none'));
});

describe('the report of a study', () => {
  it('is the newest that is here', () => {
    const newer = report({ sop_instance_uid: '9', at: '2026-01-02T00:00:00Z' });
    const found = reportOf(study({ reports: [report({}), newer, report({ state: 'coming' })] }));
    expect(found).toMatchObject({ state: 'here', first: newer, count: 2 });
  });
  it('is coming while none is here', () =>
    expect(reportOf(study({ reports: [report({ state: 'coming' }), report({ state: 'set-aside' })] })).state).toBe('coming'));
  it('is none where there is none', () => expect(reportOf(study({})).state).toBe('none'));
  it('opens at its series', () => expect(reportPath(report({}))).toBe('/studies/1.2?series=1.2.3'));
});

describe('a live word', () => {
  it('takes the place of what was known', () =>
    expect(withWord([study({})], study({ images: 5 }))).toEqual([study({ images: 5 })]));
  it('about another study changes nothing', () => {
    const known = [study({})];
    expect(withWord(known, study({ study_instance_uid: '7' }))).toBe(known);
  });
});

describe('what could not come back', () => {
  it('is told with its reason', () => {
    const lost = report({ state: 'set-aside', code: 'object-missing' });
    const part = { ...prior('set-aside'), objects: 5, here: 2, set_aside: 3, code: 'line-cut' };
    expect(notBackOf(study({ reports: [report({}), lost] }))).toEqual({ reports: 1, images: 0, of: 0, code: 'object-missing' });
    expect(notBackOf(study({ prior: part }))).toEqual({ reports: 0, images: 3, of: 5, code: 'line-cut' });
    // A report is no image, also where the whole study was asked for.
    expect(notBackOf(study({ reports: [lost], prior: { ...part, set_aside: 1 } }))).toMatchObject({ reports: 1, images: 0 });
  });
  it('is nothing while it is coming', () => {
    expect(notBackOf(study({ reports: [report({}), report({ state: 'coming' })], prior: prior('fetching') }))).toBeNull();
    expect(notBackOf(undefined)).toBeNull();
  });
  it.each([
    ['object-missing', 'gone'],
    ['http-404', 'failed'],
    ['object-damaged', 'damaged'],
    ['size-mismatch', 'otherwise'],
    ['line-cut', 'broke'],
    ['internal-error', 'failed'],
  ])('%s is said as %s', (code, word) => expect(notBack(code)).toBe(word));
});
