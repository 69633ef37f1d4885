import { describe, expect, it } from 'vitest';

import { instance } from './instances.fixture';
import { presetsFor, toRange, toWindow, windowText } from './windows';

describe('windows', () => {
  it('are upper - lower + 1 wide, and come back the same', () => {
    expect(toRange({ width: 400, centre: 40 })).toEqual({ lower: -160, upper: 239 });
    for (const window of [
      { width: 400, centre: 40 },
      { width: 80, centre: 40 },
      { width: 1, centre: 0 },
    ])
      expect(toWindow(toRange(window))).toEqual(window);
    expect(windowText(toWindow({ lower: -160, upper: 239 }))).toBe('W400 L40');
  });

  it('keep fractions only where they matter', () => {
    expect(windowText({ width: 1.26, centre: 0.345 })).toBe('W1.26 L0.35');
    expect(windowText({ width: 2000.4, centre: 500.4 })).toBe('W2000 L500');
  });

  it("are the ward's own for Hounsfield units", () => {
    expect(presetsFor(instance({}), 'CT').map(({ label }) => label)).toEqual([
      'soft',
      'lung',
      'liver',
      'bone',
      'brain',
    ]);
    expect(presetsFor(instance({ '00281054': 'US' }), 'CT')[0]?.label).toBe('full');
  });

  it("are the machine's own elsewhere, with the whole range always there", () => {
    const presets = presetsFor(
      instance({ '00281050': [1024, 500], '00281051': [2048, 300], '00281055': ['NORMAL', 'HARD'] }),
      'DX',
    );
    expect(presets.map(({ label, name }) => label || name)).toEqual(['own', 'HARD', 'full', 'narrow', 'wide']);
    expect(presetsFor(instance({ '00281050': [1], '00281051': [0] }), 'DX').map(({ label }) => label)).toEqual([
      'full',
    ]);
  });

  it('are those of each frame where the object has several, or those all frames share', () => {
    const group = (values: Readonly<Record<string, unknown>>) => ({ '00289132': { Value: [instance(values)] } });
    const frames = instance({
      '52009230': [
        group({ '00281050': '849', '00281051': '1696' }),
        group({ '00281050': [500, 40], '00281051': [900, 80], '00281055': ['NORMAL', 'HARD'] }),
      ],
    });
    const labels = (frame: number) => presetsFor(frames, 'MR', frame).map(({ label, name }) => label || name);
    expect(labels(0)).toEqual(['own', 'full', 'narrow', 'wide']);
    expect(presetsFor(frames, 'MR', 0)[0]?.window).toEqual({ width: 1696, centre: 849 });
    expect(labels(1)).toEqual(['own', 'HARD', 'full', 'narrow', 'wide']);
    const shared = instance({ '52009229': [group({ '00281050': 7, '00281051': 14 })], '52009230': [{}, {}] });
    expect(presetsFor(shared, 'MR', 1)[0]?.window).toEqual({ width: 14, centre: 7 });
  });

  it("of frames of CT are the ward's own unless their values are no Hounsfield units", () => {
    const typed = (type: string) =>
      instance({ '52009229': [{ '00289145': { Value: [instance({ '00281054': type })] } }] });
    expect(presetsFor(typed('HU'), 'CT')[0]?.label).toBe('soft');
    expect(presetsFor(typed('US'), 'CT')[0]?.label).toBe('full');
  });
});
