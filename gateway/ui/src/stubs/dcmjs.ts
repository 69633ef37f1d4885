/**
 * Stands in for dcmjs, of which the viewer's packages use a logger, the dictionary of DICOM words and one listener.
 * The whole of it is 1 MB, mostly private dictionaries, reports and a reader of files the browser never sees.
 */

import words from 'virtual:dicom-words';

interface Word {
  tag: string;
  vr: string;
  vm: string;
  name: string;
}

const dictionary: Record<string, Word> = {};
const nameMap: Record<string, Word> = {};
for (const line of words.split('\n')) {
  const [hex = '', vr = '', vm = '', name = ''] = line.split(' ');
  const word: Word = { tag: `(${hex.slice(0, 4)},${hex.slice(4)})`, vr, vm, name };
  dictionary[hex] = word;
  nameMap[name] = word;
}

interface Place {
  parent: Place | null;
  // What is built here is whatever the object holds.
  dest: Record<string, unknown> & { Value?: unknown[] | null };
}

type Step = (...given: never[]) => unknown;
type Filter = Partial<Record<'addTag' | 'startObject' | 'pop' | 'value', (next: Step, ...given: never[]) => unknown>>;

/** Builds an object from what an iterator over DICOM JSON tells, each step through the filters given. */
class DicomMetadataListener {
  current: Place | null = null;
  addTag: Step;
  startObject: Step;
  pop: Step;
  value: Step;

  constructor(_options: object, ...filters: Filter[]) {
    const through = (name: keyof Filter, last: Step) =>
      filters.reduceRight<Step>((next, filter) => {
        const own = filter[name];
        return own ? (...given) => own.call(this, next, ...given) : next;
      }, last);
    this.addTag = through('addTag', (tag: string, told?: { vr?: string }) => {
      const dest = { vr: told?.vr, Value: null };
      if (this.current) this.current.dest[tag] = dest;
      this.current = { parent: this.current, dest };
    });
    this.startObject = through('startObject', (dest: Place['dest'] = {}) => {
      if (this.current) this.value(dest as never);
      this.current = { parent: this.current, dest };
    });
    this.pop = through('pop', () => {
      const done = this.current;
      if (!done) return undefined;
      const { dest } = done;
      if (dest.Value === null || (dest.Value?.length === 1 && dest.Value[0] == null)) dest.Value = [];
      this.current = done.parent;
      return dest;
    });
    this.value = through('value', (one: unknown) => {
      if (this.current) (this.current.dest.Value ??= []).push(one);
    });
  }
}

/** Reads whole files, which this page never does. */
class AsyncDicomReader {
  constructor() {
    throw new Error('reading files is not part of this build');
  }
}

interface Logger {
  trace: (...said: unknown[]) => void;
  debug: (...said: unknown[]) => void;
  info: (...said: unknown[]) => void;
  warn: (...said: unknown[]) => void;
  error: (...said: unknown[]) => void;
  setLevel: () => void;
  getLevel: () => number;
  getLogger: (name: string) => Logger;
}

const quiet = () => undefined;
/** Warnings and errors reach the console, what is chatter does not. */
const logger = (name: string): Logger => ({
  trace: quiet,
  debug: quiet,
  info: quiet,
  warn: (...said) => console.warn(name, ...said),
  error: (...said) => console.error(name, ...said),
  setLevel: quiet,
  getLevel: () => 3,
  getLogger: logger,
});

export const log = logger('');
export const constants = {
  IMPLICIT_LITTLE_ENDIAN: '1.2.840.10008.1.2',
  EXPLICIT_LITTLE_ENDIAN: '1.2.840.10008.1.2.1',
  DEFLATED_EXPLICIT_LITTLE_ENDIAN: '1.2.840.10008.1.2.1.99',
  EXPLICIT_BIG_ENDIAN: '1.2.840.10008.1.2.2',
};
export const data = { DicomMetaDictionary: { dictionary, nameMap } };
export const utilities = { DicomMetadataListener };
const readers = { AsyncDicomReader };
export { readers as async };
export default { log, constants, data, utilities, async: readers };
