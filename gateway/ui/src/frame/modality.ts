/** Modalities as the ward says them; a code without a word of its own stays as it is. */

import type { Language } from './clock';

const WORDS: Readonly<Record<string, Record<Language, string>>> = {
  DX: { 'zh-CN': 'DR', en: 'DR' },
  US: { 'zh-CN': '超声', en: 'Ultrasound' },
  ECG: { 'zh-CN': '心电', en: 'ECG' },
  MG: { 'zh-CN': '乳腺', en: 'Mammography' },
  XA: { 'zh-CN': '造影', en: 'Angiography' },
  RF: { 'zh-CN': '透视', en: 'Fluoroscopy' },
  ES: { 'zh-CN': '内镜', en: 'Endoscopy' },
  NM: { 'zh-CN': '核医学', en: 'Nuclear medicine' },
  PT: { 'zh-CN': 'PET', en: 'PET' },
  SM: { 'zh-CN': '病理', en: 'Pathology' },
  XC: { 'zh-CN': '照片', en: 'Photograph' },
  SR: { 'zh-CN': '报告', en: 'Report' },
  DOC: { 'zh-CN': '文档', en: 'Document' },
  PR: { 'zh-CN': '显示状态', en: 'Presentation' },
  SEG: { 'zh-CN': '分割', en: 'Segmentation' },
  OT: { 'zh-CN': '其他', en: 'Other' },
};

/** Series of these hold no images: reports, documents, curves and what refers to other images. */
const DOCUMENTS = new Set(['SR', 'PR', 'KO', 'DOC', 'SEG', 'RTSTRUCT', 'ECG']);

export function isDocument(code: string): boolean {
  return DOCUMENTS.has(code);
}

export function modalityWord(code: string, language: Language): string {
  return WORDS[code]?.[language] ?? code;
}

/** Several modalities of one study, each once; beside images, what only goes with them is left out. */
export function modalityWords(codes: readonly string[], language: Language): string {
  const images = codes.filter((code) => !isDocument(code));
  return [...new Set((images.length ? images : codes).map((code) => modalityWord(code, language)))].join(' ');
}

/** An examination in words: its modalities and what it is called, the modality once where the name says it, too. */
export function examinationWords(codes: readonly string[], name: string, language: Language): string {
  const word = modalityWords(codes, language);
  const said = [word, ...codes].some((one) => one !== '' && beginsWith(name, one));
  return said ? name : [word, name].filter(Boolean).join(' ');
}

function beginsWith(name: string, word: string): boolean {
  const after = name.slice(word.length);
  return name.slice(0, word.length).toUpperCase() === word.toUpperCase() && !/^[A-Za-z]/.test(after);
}
