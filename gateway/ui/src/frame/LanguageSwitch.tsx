import { switchLanguage, useText } from '../i18n';
import { useLanguage } from './language';

/** One press to the other language; the name shown is the language it leads to. */
export function LanguageSwitch() {
  const t = useText();
  const other = useLanguage() === 'en' ? 'zh-CN' : 'en';
  return (
    <button
      type="button"
      className="linkish"
      lang={other}
      title={t('app.language')}
      data-testid="language"
      onClick={() => void switchLanguage(other)}
    >
      {other === 'en' ? 'English' : '中文'}
    </button>
  );
}
