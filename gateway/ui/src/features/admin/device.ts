/** A device as it is typed, and as it is sent. */

import type { TextKey } from '../../i18n';
import type { Device, DeviceFields } from './asks';

export interface Typed {
  title: string;
  institution: string;
  host: string;
  port: string;
  most: string;
  charset: string;
  mayStore: boolean;
  mayQuery: boolean;
  tls: boolean;
}

export const NEW_DEVICE: Typed = {
  title: '',
  institution: '',
  host: '',
  port: '',
  most: '8',
  charset: '',
  mayStore: true,
  mayQuery: false,
  tls: false,
};

/** Characters an AE title has: the default repertoire without the backslash (PS3.5, VR AE). */
const TITLE = /^[\x20-\x5b\x5d-\x7e]{1,16}$/;
const PORT_MAX = 65535;
const MOST_MAX = 256;

export function typedOf(device: Device): Typed {
  return {
    title: device.ae_title,
    institution: device.institution,
    host: device.host,
    port: device.port ? String(device.port) : '',
    most: String(device.max_associations),
    charset: device.charset_hint,
    mayStore: device.may_store,
    mayQuery: device.may_query,
    tls: device.tls_required,
  };
}

export function sentOf(typed: Typed): DeviceFields {
  return {
    institution: typed.institution,
    host: typed.host.trim(),
    port: Number(typed.port || 0),
    max_associations: Number(typed.most),
    charset_hint: typed.charset,
    may_store: typed.mayStore,
    may_query: typed.mayQuery,
    tls_required: typed.tls,
  };
}

const within = (text: string, most: number) => /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= most;

/** What of *typed* cannot be sent so. */
export function faultsOf(typed: Typed): Partial<Record<'title' | 'institution' | 'port' | 'most', TextKey>> {
  const title = typed.title.trim();
  return {
    ...(TITLE.test(title) ? {} : { title: 'device.titleBad' as const }),
    ...(typed.institution ? {} : { institution: 'device.houseMissing' as const }),
    ...(typed.port === '' || within(typed.port, PORT_MAX) ? {} : { port: 'device.portBad' as const }),
    ...(within(typed.most, MOST_MAX) ? {} : { most: 'device.mostBad' as const }),
  };
}
