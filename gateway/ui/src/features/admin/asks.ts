/** What the administrators' pages ask of `/api/v1/admin`, and how it is written. */

import { ask } from '../../api/client';

const ROOT = '/api/v1/admin';

/** A house as everybody may know it. */
export interface House {
  code: string;
  name: string;
  kind: string;
  parent: string | null;
}

export interface DeviceFields {
  institution: string;
  host: string;
  port: number;
  max_associations: number;
  charset_hint: string;
  may_store: boolean;
  may_query: boolean;
  tls_required: boolean;
}

export interface Device extends DeviceFields {
  ae_title: string;
  version: string;
}

export interface Echoed {
  answer: string;
  took_ms: number;
  our_title: string;
  detail: string;
}

export const HOUSES = ['houses'] as const;
export const DEVICES = ['admin', 'devices'] as const;

export const houses = (signal?: AbortSignal) => ask<House[]>('/api/v1/institutions', { signal });

export const devices = (signal?: AbortSignal) => ask<Device[]>(`${ROOT}/application-entities`, { signal });

const device = (title: string) => `${ROOT}/application-entities/${encodeURIComponent(title)}`;

/** Writes a device; without a *version* it must be a new one. */
export const putDevice = (title: string, body: DeviceFields, version?: string) =>
  ask<void>(device(title), { method: 'PUT', body, version, added: !version });

export const removeDevice = ({ ae_title, version }: Device) => ask<void>(device(ae_title), { method: 'DELETE', version });

export const echoDevice = (title: string) => ask<Echoed>(`${device(title)}/echo`, { method: 'POST' });

export interface AccountRow {
  username: string;
  display_name: string;
  institution: string;
  kind: 'person' | 'machine';
  roles: string[];
  disabled: boolean;
  must_change_password: boolean;
  created_at: string;
  signed_in_at: string | null;
  sessions: number;
  locked_until: string | null;
  tokens: number;
  /** Of its roles. */
  version: string;
}

export interface NewAccount {
  username: string;
  display_name: string;
  institution: string;
  roles: string[];
  kind: 'person' | 'machine';
}

export interface Password {
  username: string;
  password: string;
}

export interface TokenRow {
  id: string;
  username: string;
  label: string;
  created_at: string;
  expires_at: string | null;
}

export const ACCOUNTS = ['admin', 'accounts'] as const;
export const TOKENS = ['admin', 'tokens'] as const;

export const accounts = (signal?: AbortSignal) => ask<AccountRow[]>(`${ROOT}/accounts`, { signal });

export const addAccount = (body: NewAccount) => ask<Password>(`${ROOT}/accounts`, { method: 'POST', body });

const account = (username: string) => `${ROOT}/accounts/${encodeURIComponent(username)}`;

export const putRoles = ({ username, version }: AccountRow, roles: string[]) =>
  ask<void>(`${account(username)}/roles`, { method: 'PUT', body: { roles }, version });

export type AccountAct = 'disable' | 'enable' | 'unlock' | 'sign-out';

export const actOn = (username: string, act: AccountAct) => ask<void>(`${account(username)}/${act}`, { method: 'POST' });

export const newPassword = (username: string) => ask<Password>(`${account(username)}/password`, { method: 'POST' });

export const tokens = (signal?: AbortSignal) => ask<TokenRow[]>(`${ROOT}/tokens`, { signal });

/** Makes a token; without *days* it lasts until it is withdrawn. Its secret is in this answer only. */
export const addToken = (username: string, label: string, days: number | null) =>
  ask<TokenRow & { token: string }>(`${ROOT}/tokens`, { method: 'POST', body: { username, label, days } });

export const withdrawToken = (id: string) => ask<void>(`${ROOT}/tokens/${encodeURIComponent(id)}`, { method: 'DELETE' });

export interface InstitutionFields {
  name: string;
  kind: string;
  parent: string | null;
  phone: string;
}

export interface InstitutionRow extends InstitutionFields {
  code: string;
  version: string;
}

export const INSTITUTIONS = ['admin', 'institutions'] as const;

export const institutions = (signal?: AbortSignal) => ask<InstitutionRow[]>(`${ROOT}/institutions`, { signal });

/** Writes an institution; without a *version* it must be a new one. */
export const putInstitution = (code: string, body: InstitutionFields, version?: string) =>
  ask<void>(`${ROOT}/institutions/${encodeURIComponent(code)}`, { method: 'PUT', body, version, added: !version });

export interface TrailLine {
  id: number;
  chain: string;
  number: number;
  at: string;
  event: string;
  outcome: number;
  username: string;
  institution: string;
  address: string;
  subject: string;
  patient: string;
  reason: string;
  detail: Record<string, unknown>;
  later_accesses: number;
  last_at: string | null;
}

export interface TrailPage {
  items: TrailLine[];
  next_before: number | null;
}

/** What the trail is searched for; what is empty filters nothing. */
export interface TrailWanted {
  username: string;
  institution: string;
  event: string;
  patient: string;
  /** First and last day, both whole. */
  from: string;
  to: string;
}

export interface ChainFault {
  chain: string;
  number: number;
  what: string;
}

const DAY_MS = 86_400_000;

/** *wanted* as the server is asked for it: days of the county's clock. */
export function trailQuery(wanted: TrailWanted): URLSearchParams {
  const query = new URLSearchParams();
  for (const name of ['username', 'institution', 'event', 'patient'] as const) {
    if (wanted[name].trim()) query.set(name, wanted[name].trim());
  }
  if (wanted.from) query.set('since', new Date(`${wanted.from}T00:00:00+08:00`).toISOString());
  if (wanted.to) query.set('until', new Date(Date.parse(`${wanted.to}T00:00:00+08:00`) + DAY_MS).toISOString());
  return query;
}

export const trail = (wanted: TrailWanted, before: number | null, signal?: AbortSignal) => {
  const query = trailQuery(wanted);
  query.set('limit', '50');
  if (before !== null) query.set('before', String(before));
  return ask<TrailPage>(`${ROOT}/audit?${query}`, { signal });
};

export const trailExport = (wanted: TrailWanted) => `${ROOT}/audit/export?${trailQuery(wanted)}`;

export const verifyTrail = () => ask<{ faults: ChainFault[] }>(`${ROOT}/audit/verification`);
