/** What the server keeps, saved by the browser: an object as it is stored, a table. */

import { Problem, underSession } from './client';

const ACCEPT = 'application/dicom, multipart/related; type="application/dicom"; transfer-syntax=*';

function find(bytes: Uint8Array, wanted: Uint8Array, from: number): number {
  outer: for (let at = from; at <= bytes.length - wanted.length; at += 1) {
    for (let index = 0; index < wanted.length; index += 1) {
      if (bytes[at + index] !== wanted[index]) continue outer;
    }
    return at;
  }
  return -1;
}

/** The first part of a multipart body; the body itself when it is not multipart. Pure. */
export function firstPart(body: Uint8Array, contentType: string): Uint8Array {
  const boundary = /boundary="?([^";]+)"?/i.exec(contentType)?.[1];
  if (!boundary || !/^multipart\//i.test(contentType)) return body;
  const encode = (text: string) => new TextEncoder().encode(text);
  const opening = find(body, encode(`--${boundary}`), 0);
  const start = opening < 0 ? -1 : find(body, encode('\r\n\r\n'), opening);
  if (start < 0) throw new Problem(502, 'multipart', '');
  const end = find(body, encode(`\r\n--${boundary}`), start + 4);
  return body.subarray(start + 4, end < 0 ? body.length : end);
}

async function fetched(path: string, accept: string): Promise<Response> {
  const answered = underSession();
  let answer: Response;
  try {
    answer = await fetch(path, { headers: { Accept: accept }, credentials: 'same-origin' });
  } catch {
    throw new Problem(0, 'unreachable', '');
  }
  answered(answer.status);
  if (!answer.ok) throw new Problem(answer.status, `download-${answer.status}`, '');
  return answer;
}

function save(content: BlobPart, type: string, name: string): void {
  const address = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  URL.revokeObjectURL(address);
}

export async function saveInstance(path: string, name: string): Promise<void> {
  const answer = await fetched(path, ACCEPT);
  const part = firstPart(new Uint8Array(await answer.arrayBuffer()), answer.headers.get('Content-Type') ?? '');
  save(part as BlobPart, 'application/dicom', name);
}

/** A table the server writes, for a spreadsheet. */
export async function saveTable(path: string, name: string): Promise<void> {
  const answer = await fetched(path, 'text/csv');
  save(await answer.arrayBuffer(), 'text/csv', name);
}
