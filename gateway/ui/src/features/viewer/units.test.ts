import { describe, expect, it } from 'vitest';

import { instance } from './instances.fixture';
import { unitOf } from './units';

describe('the unit of a value', () => {
  it.each([
    ['Bq/mL', { '00080060': 'PT', '00541001': 'BQML', '00101030': 70 }],
    ['SUVbw', { '00080060': 'PT', '00541001': 'GML' }],
    ['SUVlbm', { '00080060': 'PT', '00541001': 'GML', '00541006': 'LBM' }],
    ['SUVbsa', { '00080060': 'PT', '00541001': 'CM2ML', '00541006': 'BSA' }],
    ['cm²/mL', { '00080060': 'PT', '00541001': 'CM2ML' }],
    ['CNTS', { '00080060': 'PT', '00541001': 'CNTS' }],
    ['', { '00080060': 'PT', '00541001': 'NONE' }],
    ['', { '00080060': 'PT' }],
    ['Bq/mL', { '00080060': 'NM', '00541001': 'BQML' }],
    ['', { '00080060': 'NM' }],
    ['HU', { '00080060': 'CT' }],
    ['HU', { '00080060': 'CT', '00281054': 'HU' }],
    ['', { '00080060': 'CT', '00281054': 'US' }],
    ['Gy', { '00080060': 'RTDOSE', '30040002': 'GY' }],
    ['', { '00080060': 'RTDOSE', '30040002': 'RELATIVE' }],
    ['', { '00080060': 'MR', '00281054': 'US' }],
    ['', { '00080060': 'CR', '00281054': 'OD' }],
  ])('is %j for %o', (unit, values) => expect(unitOf(instance(values))).toBe(unit));
});
