/** What the page of records in conflict asks its server. */

import { ask } from '../../api/client';
import type { RecordConflict, RecordConflictPage, RecordConflictView } from '../../api/types';
import { act } from '../today/asks';

const PAGE = 50;

export function conflictPage(settled: boolean, cursor: string, signal: AbortSignal): Promise<RecordConflictPage> {
  const more = cursor ? `&cursor=${encodeURIComponent(cursor)}` : '';
  return ask<RecordConflictPage>(`/api/v1/conflicts?settled=${settled}&limit=${PAGE}${more}`, { signal });
}

export function showConflict({ kind, id }: RecordConflict, signal: AbortSignal): Promise<RecordConflictView> {
  return ask<RecordConflictView>(`/api/v1/conflicts/${kind}/${id}`, { signal });
}

export function settle({ kind, id }: RecordConflict, version: string, keep: string): Promise<RecordConflictView> {
  return act<RecordConflictView>(`/api/v1/conflicts/${kind}/${id}/settle`, { keep }, { version });
}
