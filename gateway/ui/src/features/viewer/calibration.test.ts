import { describe, expect, it } from 'vitest';

import { angleOf, areaOf, calibrationOf, lengthOf } from './calibration';
import { instance } from './instances.fixture';

const CT = calibrationOf(instance({ '00080060': 'CT', '00280030': [0.5, 0.25] }));

describe('millimetres', () => {
  it('come from the pixel spacing, rows and columns apart', () => {
    expect(lengthOf([0, 0], [100, 0], CT)).toEqual({ value: 25, calibrated: true });
    expect(lengthOf([0, 0], [0, 100], CT)).toEqual({ value: 50, calibrated: true });
    expect(lengthOf([0, 0], [12, 8], CT)).toEqual({ value: 5, calibrated: true });
  });

  it('of a shadow on a detector are none, unless somebody corrected the spacing', () => {
    const none = { kind: 'none' };
    expect(calibrationOf(instance({ '00080060': 'DX', '00181164': [0.2, 0.2] }))).toEqual(none);
    expect(calibrationOf(instance({ '00080060': 'DX', '00181164': [0.2, 0.2], '00280030': [0.2, 0.2] }))).toEqual(none);
    expect(calibrationOf(instance({ '00080060': 'CR', '00280030': [0.2, 0.2] }))).toEqual(none);
    expect(calibrationOf(instance({ '00080060': 'DX', '00181164': [0.2, 0.2], '00280030': [0.15, 0.15] })).kind).toBe(
      'mm',
    );
    expect(calibrationOf(instance({ '00080060': 'CR', '00280030': [0.2, 0.2], '00280A02': 'FIDUCIAL' })).kind).toBe(
      'mm',
    );
    expect(calibrationOf(instance({ '00080060': 'MG', '00181164': [0.2, 0.2], '00181114': 2 }))).toEqual({
      kind: 'mm',
      perRow: 0.1,
      perColumn: 0.1,
    });
  });

  it('are absent without spacing: the measurement stays in pixels', () => {
    expect(lengthOf([0, 0], [3, 4], calibrationOf(instance({ '00080060': 'OT' })))).toEqual({
      value: 5,
      calibrated: false,
    });
    expect(calibrationOf(instance({ '00080060': 'CT', '00280030': [0, 0] }))).toEqual({ kind: 'none' });
  });

  it('of ultrasound hold inside one region only', () => {
    const region = {
      '00186018': { Value: [0] },
      '0018601A': { Value: [0] },
      '0018601C': { Value: [99] },
      '0018601E': { Value: [99] },
      '00186024': { Value: [3] },
      '00186026': { Value: [3] },
      '0018602C': { Value: [0.02] },
      '0018602E': { Value: [0.02] },
    };
    const us = calibrationOf(instance({ '00080060': 'US', '00186011': [region] }));
    expect(lengthOf([0, 0], [50, 0], us)).toEqual({ value: 10, calibrated: true });
    expect(lengthOf([0, 0], [150, 0], us).calibrated).toBe(false);
    const seconds = { ...region, '00186024': { Value: [4] } };
    expect(calibrationOf(instance({ '00080060': 'US', '00186011': [seconds] }))).toEqual({ kind: 'none' });
  });

  it('of an enhanced object stand in its frame', () => {
    const measures = { '00289110': { Value: [{ '00280030': { Value: [1, 1] } }] } };
    expect(calibrationOf(instance({ '00080060': 'MR', '52009229': [measures] }))).toEqual({
      kind: 'mm',
      perRow: 1,
      perColumn: 1,
    });
  });
});

describe('angles and areas', () => {
  it('are those of the patient, not of the pixels', () => {
    expect(angleOf([4, 0], [0, 0], [0, 2], CT)).toBeCloseTo(90);
    expect(angleOf([4, 0], [0, 0], [4, 2], CT)).toBeCloseTo(45);
    expect(angleOf([1, 0], [0, 0], [-1, 0], CT)).toBeCloseTo(180);
    expect(areaOf('box', [0, 0], [4, 2], CT)).toEqual({ value: 1, calibrated: true });
    expect(areaOf('ellipse', [0, 0], [4, 2], CT).value).toBeCloseTo(Math.PI / 4);
  });
});
