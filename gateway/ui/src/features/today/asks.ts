/** What the pages of patients and orders ask of the API. */

import { type Ask, ask, Problem } from '../../api/client';
import type {
  DayPage,
  Examination,
  OrderDetail,
  OrderPage,
  RegisteredDetail,
  RegisteredPage,
} from '../../api/types';
import type { Revealed } from '../../frame/Masked';
import { ActKeys } from './act-key';

const keys = new ActKeys();

/** Sends *body* as one act; sent again after no answer, it is the same act. */
export async function act<T>(path: string, body: unknown, rest: Pick<Ask, 'method' | 'version' | 'heard'> = {}): Promise<T> {
  const asked = [body, rest.version ?? ''];
  const actKey = keys.keyOf(path, asked);
  try {
    const answer = await ask<T>(path, { method: 'POST', ...rest, body, actKey });
    keys.answered(path, asked);
    return answer;
  } catch (error) {
    if (error instanceof Problem && !error.unreachable && error.status < 500) keys.answered(path, asked);
    throw error;
  }
}

export function dayPage(day: string, signal: AbortSignal): Promise<DayPage> {
  return ask<DayPage>(`/api/v1/worklist${day ? `?date=${day}` : ''}`, { signal });
}

export function patientsLike(typed: string, signal: AbortSignal): Promise<RegisteredPage> {
  const asked = new URLSearchParams({ limit: '8', ...(typed ? { q: typed } : {}) });
  return ask<RegisteredPage>(`/api/v1/patients?${asked.toString()}`, { signal });
}

export function examinationsLike(typed: string, signal: AbortSignal): Promise<Examination[]> {
  return ask<Examination[]>(`/api/v1/examinations${typed ? `?q=${encodeURIComponent(typed)}` : ''}`, { signal });
}

export function ordersOf(patient: string, signal: AbortSignal): Promise<OrderPage> {
  return ask<OrderPage>(`/api/v1/orders?limit=20&patient=${patient}`, { signal });
}

export function showOrder(id: string, signal?: AbortSignal): Promise<OrderDetail> {
  return ask<OrderDetail>(`/api/v1/orders/${id}`, { signal });
}

export function showPatient(id: string, signal?: AbortSignal): Promise<RegisteredDetail> {
  return ask<RegisteredDetail>(`/api/v1/patients/${id}`, { signal });
}

export function registerPatient(body: Record<string, unknown>): Promise<RegisteredDetail> {
  return act<RegisteredDetail>('/api/v1/patients', body);
}

export function placeOrder(body: Record<string, unknown>): Promise<OrderDetail> {
  return act<OrderDetail>('/api/v1/orders', body);
}

/** begin, complete, discontinue, cancel, reorder. */
export function moveOrder(id: string, move: string, version: string, reason = ''): Promise<OrderDetail> {
  return act<OrderDetail>(`/api/v1/orders/${id}/${move}`, { reason }, { version });
}

export function changeOrder(id: string, version: string, changes: Record<string, unknown>): Promise<OrderDetail> {
  return act<OrderDetail>(`/api/v1/orders/${id}`, changes, { method: 'PATCH', version });
}

export function correctPatient(id: string, version: string, changes: Record<string, unknown>): Promise<RegisteredDetail> {
  return act<RegisteredDetail>(`/api/v1/patients/${id}`, changes, { method: 'PATCH', version });
}

export function reconcilePatient(id: string, version: string, patient: string): Promise<RegisteredDetail> {
  return act<RegisteredDetail>(`/api/v1/patients/${id}/reconcile`, { patient }, { version });
}

export function settleOrder(id: string, version: string, keep: string): Promise<OrderDetail> {
  return act<OrderDetail>(`/api/v1/orders/${id}/settle`, { keep }, { version });
}

export type RevealedField = 'resident_id' | 'phone' | 'patient_id';

/** One masked number whole; the look is written down before it is answered. */
export function revealNumber(id: string, field: RevealedField): Promise<Revealed> {
  return ask(`/api/v1/patients/${id}/reveal`, { method: 'POST', body: { field } });
}
