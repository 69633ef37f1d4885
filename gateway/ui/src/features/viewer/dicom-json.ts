/** Values out of DICOM JSON (PS3.18 F), as `/metadata` answers it. Pure. */

export interface JsonElement {
  vr?: string;
  Value?: unknown[];
  BulkDataURI?: string;
  InlineBinary?: string;
}

export type Instance = Readonly<Record<string, JsonElement>>;

export function text(instance: Instance, tag: string): string {
  const value = instance[tag]?.Value?.[0];
  if (typeof value === 'string') return value.trim();
  if (typeof value === 'number') return String(value);
  if (value && typeof value === 'object') {
    const { Alphabetic = '', Ideographic = '' } = value as { Alphabetic?: string; Ideographic?: string };
    return `${Alphabetic}=${Ideographic}`;
  }
  return '';
}

/** The first number of *tag*, or undefined; DS and IS may come as strings. */
export function number(instance: Instance, tag: string): number | undefined {
  return numbers(instance, tag)[0];
}

export function numbers(instance: Instance, tag: string): number[] {
  return (instance[tag]?.Value ?? [])
    .filter((value) => value !== null && value !== '')
    .map(Number)
    .filter((value) => Number.isFinite(value));
}

export function texts(instance: Instance, tag: string): string[] {
  return (instance[tag]?.Value ?? []).map((value) => String(value ?? '').trim());
}

/** The items of a sequence; null items, which some servers write, are left out. */
export function items(instance: Instance, tag: string): Instance[] {
  return (instance[tag]?.Value ?? []).filter((value): value is Instance => value !== null && typeof value === 'object');
}

/**
 * A functional-group value of frame *frame* (from 0): per-frame first, then shared, then the top level, so that
 * enhanced and classic objects read alike.
 */
export function ofFrame(instance: Instance, frame: number, group: string): Instance {
  const own = items(instance, '52009230')[frame];
  const shared = items(instance, '52009229')[0];
  return (own && items(own, group)[0]) ?? (shared && items(shared, group)[0]) ?? instance;
}
