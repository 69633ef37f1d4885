import { IntlMessageFormat } from 'intl-messageformat';
import { describe, expect, it } from 'vitest';

import adminEn from '../features/admin/words/en.json';
import adminZh from '../features/admin/words/zh-CN.json';
import amendEn from '../features/amend/words/en.json';
import amendZh from '../features/amend/words/zh-CN.json';
import studiesEn from '../features/studies/words/en.json';
import studiesZh from '../features/studies/words/zh-CN.json';
import townshipEn from '../features/township/words/en.json';
import townshipZh from '../features/township/words/zh-CN.json';
import en from './en.json';
import zh from './zh-CN.json';

const sources = import.meta.glob('../**/*.{ts,tsx}', { query: '?raw', import: 'default', eager: true }) as Record<
  string,
  string
>;
const entries = (catalogue: Record<string, string>) => Object.entries(catalogue);

/** Words of machines and of polite forms (ui.md, part 4). */
const BANNED_ZH = /推送|同步成功|节点|任务认领|释放锁|提交失败|非法|操作成功|系统异常|您好|抱歉|成功|！|!/;
const BANNED_EN =
  /\b(sorry|oops|please wait|successfully|invalid argument|operation|HTTP|ETag|UID|transfer syntax)\b|!/i;
const NAMES_OF_STANDARDS = /Yilian|DICOM|IP|PDF|AE|zip|UID|CT|HU|mm|Gbit|Mbit|kbit/g;

it('no words that come later stand in for those of every page', () =>
  expect([adminZh, amendZh, studiesZh, townshipZh].flatMap((words) => Object.keys(words).filter((key) => key in zh))).toEqual([]));

describe.each([
  ['of every page', zh, en],
  ['of the administration', adminZh, adminEn],
  ['of putting right', amendZh, amendEn],
  ['of the township', townshipZh, townshipEn],
  ['of the study list', studiesZh, studiesEn],
] as const)('the two catalogues %s', (_whose, zh: Record<string, string>, en: Record<string, string>) => {
  it('hold the same keys in the same order', () => expect(Object.keys(en)).toEqual(Object.keys(zh)));

  it('ask for the same values under each key', () => {
    const values = (text: string) =>
      [
        ...new Set(
          [...text.matchAll(/\{(\w+)/g)]
            .map(([, name]) => name)
            .filter((name) => !['one', 'other'].includes(name ?? '')),
        ),
      ].sort();
    for (const [key, text] of entries(zh)) {
      const english = (en as Record<string, string>)[key] ?? '';
      const used = values(english.replace(/(one|other) \{[^}]*\}/g, ''));
      expect(
        used.filter((name) => !values(text).includes(name)),
        key,
      ).toEqual([]);
    }
  });

  it('parse as ICU messages', () => {
    for (const [language, catalogue] of [
      ['zh-CN', zh],
      ['en', en],
    ] as const) {
      for (const [key, text] of entries(catalogue))
        expect(() => new IntlMessageFormat(text, language), key).not.toThrow();
    }
  });

  it('hold no banned word', () => {
    for (const [key, text] of entries(zh)) expect(text, key).not.toMatch(BANNED_ZH);
    for (const [key, text] of entries(en)) expect(text, key).not.toMatch(BANNED_EN);
  });

  it('write Chinese with full-width commas and stops, and English without Chinese', () => {
    for (const [key, text] of entries(zh)) expect(text, key).not.toMatch(/[\u4e00-\u9fff][,;]|[\u4e00-\u9fff]\.(?!\w)/);
    for (const [key, text] of entries(en)) expect(text, key).not.toMatch(/[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]/);
  });

  it('leave no English in Chinese, names of standards excepted', () => {
    for (const [key, text] of entries(zh)) {
      const plain = text
        .replace(/\{[^{}]*\}/g, '')
        .replace(NAMES_OF_STANDARDS, '')
        .replace(/(^|[^A-Za-z])[A-Z]([^A-Za-z]|$)/g, '$1$2');
      expect(plain, key).not.toMatch(/[A-Za-z]{2,}/);
    }
  });

  it('hold nothing that no page says', () => {
    const text = Object.values(sources).join('\n');
    const prefixes = [...text.matchAll(/`([a-zA-Z]+\.(?:[a-zA-Z-]+\.)*(?:col)?)\$\{/g)].map(([, prefix]) => prefix ?? '');
    const unused = Object.keys(zh).filter(
      (key) => !text.includes(`'${key}'`) && !prefixes.some((prefix) => key.startsWith(prefix)),
    );
    expect(unused).toEqual([]);
  });
});

it('one file that stays behind is spoken of in the singular', () => {
  const said = (count: number) => new IntlMessageFormat(townshipEn['check.skipped'], 'en').format({ count });
  expect(said(1)).toBe('1 file is no image and stays behind');
  expect(said(2)).toBe('2 files are no images and stay behind');
});
