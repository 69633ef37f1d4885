import { useTranslation } from 'react-i18next';

import type { Language } from './clock';

/** The language in use, for what is not in the catalogue: dates, ages, sexes. */
export function useLanguage(): Language {
  return useTranslation().i18n.language === 'en' ? 'en' : 'zh-CN';
}
