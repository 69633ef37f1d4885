/** The few header fields the check before sending shows, read from the first bytes of a file. Pure. */

import dicomParser from 'dicom-parser';

import type { Age, Sex } from '../../api/types';
import { countyMoment, dicomDate } from '../../frame/clock';
import { dicomAge, personName } from '../../frame/patient';
import { decodeText, type Kind, settle } from './charset';

/** How much of a file is read: group 0010 and 0020 lie in the first kilobytes of all but the oddest. */
export const HEAD_BYTES = 64 * 1024;

export interface Header {
  sopInstance: string;
  study: string;
  series: string;
  patientId: string;
  name: string;
  sex: Sex;
  age: Age | null;
  birthDate: string;
  modality: string;
  description: string;
  bodyPart: string;
  /** `YYYY-MM-DD` on the county's clock as all pages show it, '' when the file names none. */
  date: string;
  time: string;
  accession: string;
}

const IMPLICIT_LE = '1.2.840.10008.1.2';
const EXPLICIT_LE = '1.2.840.10008.1.2.1';
const DICOMDIR_CLASS = '1.2.840.10008.1.3.10';
/** Deflated objects keep their header behind the compression; they are sent and read at the node. */
const DEFLATED = new Set(['1.2.840.10008.1.2.1.99', '1.2.840.10008.1.2.4.95']);

export type Read =
  { kind: 'dicom'; header: Header | null } | { kind: 'other'; why: 'empty' | 'directory' | 'not-dicom' };

function ascii(bytes: Uint8Array, from: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(from, from + length));
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
}

/** What a file is, by its first bytes. */
export function readHeader(head: Uint8Array): Read {
  if (head.length === 0) return { kind: 'other', why: 'empty' };
  const preamble = head.length >= 132 && ascii(head, 128, 4) === 'DICM';
  if (!preamble && !looksBare(head)) return { kind: 'other', why: 'not-dicom' };
  const data = preamble ? parsePart10(head) : parseBare(head);
  if (!data) return { kind: 'dicom', header: null };
  if (text(data, 'x00020002') === DICOMDIR_CLASS) return { kind: 'other', why: 'directory' };
  return { kind: 'dicom', header: headerOf(data) };
}

/** A dataset without preamble starts with a low even group: 0002 or 0008. */
function looksBare(head: Uint8Array): boolean {
  const group = u16(head, 0);
  if (head.length < 16 || (group !== 0x0002 && group !== 0x0008)) return false;
  const element = u16(head, 2);
  const explicit = /^[A-Z]{2}$/.test(ascii(head, 4, 2));
  const length = explicit ? u16(head, 6) : u16(head, 4) + 65536 * u16(head, 6);
  return element <= 0x0200 && length <= 0x4000;
}

const UP_TO = { untilTag: 'x00200011' };

function parsePart10(head: Uint8Array): dicomParser.DataSet | null {
  try {
    return dicomParser.parseDicom(head, UP_TO);
  } catch (error) {
    // Cut inside an element, or deflated: what came before is as good as ever.
    return (error as { dataSet?: dicomParser.DataSet })?.dataSet ?? metaOnly(head);
  }
}

function metaOnly(head: Uint8Array): dicomParser.DataSet | null {
  try {
    return dicomParser.readPart10Header(head as Parameters<typeof dicomParser.readPart10Header>[0]);
  } catch {
    return null;
  }
}

function parseBare(head: Uint8Array): dicomParser.DataSet | null {
  const explicit = /^[A-Z]{2}$/.test(ascii(head, 4, 2));
  if (u16(head, 0) === 0x0002) {
    const whole = new Uint8Array(132 + head.length);
    whole.set([0x44, 0x49, 0x43, 0x4d], 128);
    whole.set(head, 132);
    return parsePart10(whole);
  }
  try {
    return dicomParser.parseDicom(head, { ...UP_TO, TransferSyntaxUID: explicit ? EXPLICIT_LE : IMPLICIT_LE });
  } catch (error) {
    return (error as { dataSet?: dicomParser.DataSet })?.dataSet ?? null;
  }
}

function bytesOf(data: dicomParser.DataSet, tag: string): Uint8Array {
  const element = data.elements[tag];
  if (!element || element.length <= 0) return new Uint8Array();
  return data.byteArray.subarray(element.dataOffset, element.dataOffset + element.length) as Uint8Array;
}

function text(data: dicomParser.DataSet, tag: string, charset = '', kind: Kind = 'text'): string {
  return decodeText(bytesOf(data, tag), charset, kind).trim();
}

/** Free text of an object, the same the node looks at: all of it together tells what character set it really is in. */
const FREE_TEXT = [
  'x00080050',
  'x00080070',
  'x00080080',
  'x00080090',
  'x00081010',
  'x00081030',
  'x0008103e',
  'x00081090',
  'x00100010',
  'x00100020',
  'x00100021',
  'x00181030',
  'x00200010',
];

function headerOf(data: dicomParser.DataSet): Header | null {
  // Nothing of the patient in reach: behind the compression, or behind the cut.
  if (DEFLATED.has(text(data, 'x00020010')) || !data.elements.x00080018) return null;
  const samples = FREE_TEXT.map((tag) => bytesOf(data, tag));
  const charset = settle(samples, text(data, 'x00080005'));
  const read = (tag: string) => text(data, tag, charset);
  const sex = read('x00100040').toUpperCase();
  return {
    sopInstance: read('x00080018'),
    study: read('x0020000d'),
    series: read('x0020000e'),
    patientId: read('x00100020'),
    name: personName(text(data, 'x00100010', charset, 'name')),
    sex: sex === 'M' || sex === 'F' || sex === 'O' ? sex : '',
    age: dicomAge(read('x00101010')),
    birthDate: dicomDate(read('x00100030')),
    modality: read('x00080060'),
    description: read('x00081030') || read('x0008103e') || read('x00180015'),
    bodyPart: read('x00180015'),
    ...countyMoment(read('x00080020'), read('x00080030'), read('x00080201')),
    accession: read('x00080050'),
  };
}
