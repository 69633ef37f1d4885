import i18next from 'i18next';
import ICU from 'i18next-icu';
import { useCallback } from 'react';
import { initReactI18next, useTranslation } from 'react-i18next';

import type adminEn from '../features/admin/words/en.json';
import type adminZh from '../features/admin/words/zh-CN.json';
import type amendEn from '../features/amend/words/en.json';
import type amendZh from '../features/amend/words/zh-CN.json';
import type studiesEn from '../features/studies/words/en.json';
import type studiesZh from '../features/studies/words/zh-CN.json';
import type townshipEn from '../features/township/words/en.json';
import type townshipZh from '../features/township/words/zh-CN.json';
import type { Language } from '../frame/clock';
import en from './en.json';
import zh from './zh-CN.json';

/** Every sentence the page can say; a key that is missing from a catalogue does not compile. */
export type TextKey =
  | (keyof typeof zh & keyof typeof en)
  | (keyof typeof adminZh & keyof typeof adminEn)
  | (keyof typeof amendZh & keyof typeof amendEn)
  | (keyof typeof townshipZh & keyof typeof townshipEn)
  | (keyof typeof studiesZh & keyof typeof studiesEn);

const KEPT = 'yilian.language';

function keptLanguage(): Language {
  try {
    const kept = localStorage.getItem(KEPT);
    if (kept === 'zh-CN' || kept === 'en') return kept;
  } catch {
    // Storage may be closed to the page; the choice then lasts as long as the page.
  }
  return 'zh-CN';
}

export async function startLanguage(): Promise<void> {
  const language = keptLanguage();
  document.documentElement.lang = language;
  await i18next
    .use(new ICU())
    .use(initReactI18next)
    .init({
      lng: language,
      fallbackLng: false,
      resources: { 'zh-CN': { text: zh }, en: { text: en } },
      ns: ['text'],
      defaultNS: 'text',
      keySeparator: false,
      nsSeparator: false,
      interpolation: { escapeValue: false },
    });
}

export async function switchLanguage(language: Language): Promise<void> {
  try {
    localStorage.setItem(KEPT, language);
  } catch {
    // As above.
  }
  document.documentElement.lang = language;
  await i18next.changeLanguage(language);
}

/** The words of a part of the page whose code comes when it is first opened: few lines carry them for nothing. */
export function addWords(chinese: Record<string, string>, english: Record<string, string>): void {
  i18next.addResourceBundle('zh-CN', 'text', chinese);
  i18next.addResourceBundle('en', 'text', english);
}

/** True when the catalogue holds *key*: for codes that come from the server. */
export function hasText(key: string): key is TextKey {
  return key in zh || i18next.exists(key);
}

export type Say = (key: TextKey, values?: Readonly<Record<string, string | number>>) => string;

/** A sentence outside React, in the language of now. */
export const say: Say = (key, values) => i18next.t(key, values);

/** The sentences of a component; it is drawn again when the language changes. */
export function useText(): Say {
  const { t } = useTranslation();
  return useCallback<Say>((key, values) => t(key, values), [t]);
}
