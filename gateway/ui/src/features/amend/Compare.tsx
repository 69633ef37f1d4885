import type { Whose } from '../../api/types';
import { Chip } from '../../frame/Chip';
import { useLanguage } from '../../frame/language';
import { useText } from '../../i18n';
import { compared, WORDS } from './compare';

/** What the study says beside what it would say; where they differ, that is marked by word and shape. */
export function Compare({ now, then, differs }: { now: Whose; then: Whose; differs: readonly string[] }) {
  const t = useText();
  const language = useLanguage();
  return (
    <table className="compare" data-testid="compare">
      <thead>
        <tr>
          <td />
          <th scope="col">{t('amend.saysNow')}</th>
          <th scope="col">{t('amend.wouldSay')}</th>
          <td />
        </tr>
      </thead>
      <tbody>
        {compared(now, then, differs, language).map((line) => (
          <tr key={line.field} className={line.differs ? 'is-other' : ''} data-field={line.field}>
            <th scope="row">{t(WORDS[line.field])}</th>
            <td>{line.now || t('today.notGiven')}</td>
            <td>{line.then || t('today.notGiven')}</td>
            <td>{line.differs ? <Chip kind="conflict">{t('amend.other')}</Chip> : <span className="second">{t('amend.same')}</span>}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
