import { expect, it } from 'vitest';

import { examinationWords, modalityWord, modalityWords } from './modality';

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

it.each([
  [['CT'], 'CT chest', 'CT chest'],
  [['CT'], 'ct chest', 'ct chest'],
  [['CT'], 'CTA of the head', 'CT CTA of the head'],
  [['CT'], '', 'CT'],
  [['DX'], 'DR胸部正位', 'DR胸部正位'],
  [['DX'], 'DX CHEST', 'DX CHEST'],
  [['US'], '腹部', 'Ultrasound 腹部'],
  [['CT', 'SR'], 'CT chest', 'CT chest'],
  [[], 'chest', 'chest'],
])('says of %j and "%s" no modality twice', (codes, name, said) => {
  expect(examinationWords(codes, name, 'en')).toBe(said);
});
