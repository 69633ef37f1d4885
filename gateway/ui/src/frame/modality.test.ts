import { expect, it } from 'vitest';

import { modalityWord, modalityWords } from './modality';

it('says modalities in words, each once', () => {
  expect(modalityWord('US', 'zh-CN')).toBe('超声');
  expect(modalityWord('CT', 'zh-CN')).toBe('CT');
  expect(modalityWords(['CR', 'DX', 'DX'], 'en')).toBe('CR DR');
  expect(modalityWord('XYZ', 'en')).toBe('XYZ');
});

it('leaves out what only goes with the images', () => {
  expect(modalityWords(['CT', 'DOC', 'ECG', 'SR'], 'zh-CN')).toBe('CT');
  expect(modalityWords(['SR', 'ECG'], 'zh-CN')).toBe('报告 心电');
});
