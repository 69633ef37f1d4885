import type { Patient } from '../api/types';
import { useText } from '../i18n';
import { useLanguage } from './language';
import { ageText, sexText, shownIdentifier, shownName } from './patient';

/** Who somebody turned out to be that nobody knew when the images were made; nothing for everybody else. */
export function IsNow({ patient }: { patient: Patient | null | undefined }) {
  const t = useText();
  const language = useLanguage();
  if (!patient) return null;
  return (
    <span className="is-now" data-testid="is-now">
      {t('patient.isNow', {
        name: shownName(patient, language) || t('patient.noName'),
        sex: sexText(patient.sex, language),
        age: ageText(patient.age, language, patient.age_estimated),
        number: shownIdentifier(patient) || t('patient.noId'),
      })}
    </span>
  );
}
