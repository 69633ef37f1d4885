/** One object as it is stored, saved by the browser. */

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

export async function saveInstance(path: string, name: string): Promise<void> {
  const answered = underSession();
  let answer: Response;
  try {
    answer = await fetch(path, { headers: { Accept: ACCEPT }, credentials: 'same-origin' });
  } catch {
    throw new Problem(0, 'unreachable', '');
  }
  answered(answer.status);
  if (!answer.ok) throw new Problem(answer.status, `download-${answer.status}`, '');
  const part = firstPart(new Uint8Array(await answer.arrayBuffer()), answer.headers.get('Content-Type') ?? '');
  const address = URL.createObjectURL(new Blob([part as BlobPart], { type: 'application/dicom' }));
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  URL.revokeObjectURL(address);
}
