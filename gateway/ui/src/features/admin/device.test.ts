import { describe, expect, it } from 'vitest';

import { faultsOf, NEW_DEVICE } from './device';

describe('a device as it is typed', () => {
  const good = { ...NEW_DEVICE, title: 'CT01', institution: 'qingshan' };

  it('needs a name devices can have and a house', () => {
    expect(faultsOf(good)).toEqual({});
    expect(faultsOf({ ...good, title: ' ' }).title).toBe('device.titleBad');
    expect(faultsOf({ ...good, title: 'A'.repeat(17) }).title).toBe('device.titleBad');
    expect(faultsOf({ ...good, title: '县CT' }).title).toBe('device.titleBad');
    expect(faultsOf({ ...good, title: 'A\\B' }).title).toBe('device.titleBad');
    expect(faultsOf({ ...good, institution: '' }).institution).toBe('device.houseMissing');
  });

  it('has a port that exists and a number of lines that a door carries', () => {
    expect(faultsOf({ ...good, port: '65536' }).port).toBe('device.portBad');
    expect(faultsOf({ ...good, port: '1o4' }).port).toBe('device.portBad');
    expect(faultsOf({ ...good, port: '' }).port).toBeUndefined();
    expect(faultsOf({ ...good, most: '0' }).most).toBe('device.mostBad');
    expect(faultsOf({ ...good, most: '257' }).most).toBe('device.mostBad');
  });
});
