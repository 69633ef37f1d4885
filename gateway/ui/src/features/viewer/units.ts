/** The unit of an image's values, as its file tells it. Pure. */

import { type Instance, text } from './dicom-json';
import { isHounsfield } from './windows';

/** Units (0054,1001) as people write them (PS3.3 C.8.9.1.1.3); a code without a writing of its own stays as it is. */
const WRITTEN: Readonly<Record<string, string>> = {
  NONE: '',
  BQML: 'Bq/mL',
  CPS: 'cps',
  PCNT: '%',
  CM2ML: 'cm²/mL',
  UMOLML: 'µmol/mL',
  MLMING: 'mL/min/g',
  '1CM': '1/cm',
};

/** How the uptake was related to the patient; body weight where a file of g/mL does not say (PS3.3 C.8.9.1). */
function uptakeOf(instance: Instance, units: string): string {
  const type = text(instance, '00541006') || (units === 'GML' ? 'BW' : '');
  return type ? `SUV${type.toLowerCase()}` : '';
}

/** The unit of the values after Rescale Slope and Intercept; '' where the file names none. */
export function unitOf(instance: Instance): string {
  const units = text(instance, '00541001');
  if (units === 'GML' || units === 'CM2ML') {
    const uptake = uptakeOf(instance, units);
    if (uptake) return uptake;
  }
  if (units) return WRITTEN[units] ?? units;
  if (text(instance, '30040002') === 'GY') return 'Gy';
  return isHounsfield(instance, text(instance, '00080060')) ? 'HU' : '';
}
