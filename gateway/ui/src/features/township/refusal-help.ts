/** What helps when something was not taken: only a few reasons pass by trying again. Pure. */

export type Help =
  /** The same bytes may well be taken another time. */
  | 'again'
  /** The file itself is broken: the machine that made it has to give it out once more. */
  | 'resend'
  /** What this machine keeps is not what it was given: it has to be given it anew, and its disk looked at. */
  | 'disk'
  /** The zip is at fault, not what lies in it. */
  | 'repack'
  /** Nobody here can tell; the county can, and then trying again may help. */
  | 'county'
  /** The reason's own words say it all. */
  | 'none';

const HELP: Readonly<Record<string, Help>> = {
  'storage-full': 'again',
  'journal-full': 'again',
  'journal-failed': 'again',
  unavailable: 'again',
  busy: 'again',
  'object-store-failed': 'again',
  'decoder-busy': 'again',
  'digest-mismatch': 'disk',
  'size-mismatch': 'disk',
  'body-broken': 'disk',
  'object-damaged': 'disk',
  'parcel-damaged': 'again',
  'not-dicom': 'resend',
  truncated: 'resend',
  'wrong-length': 'resend',
  'broken-dataset': 'resend',
  'bad-vr': 'resend',
  'deflate-broken': 'resend',
  'no-sop-uid': 'resend',
  'bad-uid': 'resend',
  'uid-mismatch': 'resend',
  'sop-instance-mismatch': 'resend',
  'sop-class-mismatch': 'resend',
  'transfer-syntax-mismatch': 'resend',
  'empty-file': 'resend',
  'object-unreadable': 'disk',
  'object-missing': 'disk',
  'journal-corrupt': 'disk',
  'zip-no-images': 'none',
  dicomdir: 'none',
  'file-name': 'none',
};

export function helpFor(code: string): Help {
  return HELP[code] ?? (code.startsWith('zip-') ? 'repack' : 'county');
}

/** Whether what was refused with *code* came to harm here: sent once more, it is what it is. */
export function isDamagedHere(code: string): boolean {
  return helpFor(code) === 'disk';
}

/** Whether the same bytes may be taken another time. */
export function mayPass(code: string): boolean {
  return helpFor(code) === 'again' || helpFor(code) === 'county';
}

/** What helps with all of *codes*, each kind once, the most useful first. */
export function helpsFor(codes: readonly string[]): Exclude<Help, 'none'>[] {
  const found = new Set(codes.map(helpFor));
  return (['again', 'resend', 'disk', 'repack', 'county'] as const).filter((help) => found.has(help));
}
