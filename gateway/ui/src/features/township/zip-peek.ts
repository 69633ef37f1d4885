/** The names and first bytes of a zip's members, so that a zip too is checked before it is sent. */

import { bytesOf } from './local-file';

export interface ZipMember {
  name: string;
  size: number;
  /** The member's first bytes, or null when they cannot be read here (encrypted, unknown method). */
  head: (bytes: number) => Promise<Uint8Array | null>;
}

const END = 0x06054b50;
const MEMBER = 0x02014b50;
const LOCAL = 0x04034b50;
const END_BYTES = 22;
const COMMENT_MAX = 65_535;
const DIRECTORY_MAX_BYTES = 64 * 1024 * 1024;
/** More members than a hospital's disc holds: the node counts too, and refuses. */
const MEMBERS_MAX = 100_000;

export class NotAZip extends Error {}

async function view(file: Blob, from: number, to: number): Promise<DataView> {
  return new DataView((await bytesOf(file, from, to)).buffer);
}

/** The members of *file* that are files; raises NotAZip when its central directory is none, Unreadable as `bytesOf`. */
export async function zipMembers(file: Blob): Promise<ZipMember[]> {
  const from = Math.max(0, file.size - END_BYTES - COMMENT_MAX);
  const tail = await view(file, from, file.size);
  let end = -1;
  for (let at = tail.byteLength - END_BYTES; at >= 0 && end < 0; at -= 1) {
    if (tail.getUint32(at, true) === END) end = at;
  }
  if (end < 0) throw new NotAZip('no end record');
  const count = tail.getUint16(end + 10, true);
  const length = tail.getUint32(end + 12, true);
  const start = tail.getUint32(end + 16, true);
  if (count === 0xffff || start === 0xffffffff || length > DIRECTORY_MAX_BYTES || count > MEMBERS_MAX) {
    throw new NotAZip('zip64 or too many members');
  }
  return readDirectory(file, await view(file, start, start + length), count);
}

function readDirectory(file: Blob, directory: DataView, count: number): ZipMember[] {
  const members: ZipMember[] = [];
  let at = 0;
  for (let index = 0; index < count; index += 1) {
    if (at + 46 > directory.byteLength || directory.getUint32(at, true) !== MEMBER)
      throw new NotAZip('broken directory');
    const flags = directory.getUint16(at + 8, true);
    const method = directory.getUint16(at + 10, true);
    const packed = directory.getUint32(at + 20, true);
    const size = directory.getUint32(at + 24, true);
    const nameLength = directory.getUint16(at + 28, true);
    const skip = nameLength + directory.getUint16(at + 30, true) + directory.getUint16(at + 32, true);
    const local = directory.getUint32(at + 42, true);
    if (at + 46 + skip > directory.byteLength) throw new NotAZip('broken directory');
    const raw = new Uint8Array(directory.buffer, directory.byteOffset + at + 46, nameLength);
    const name = new TextDecoder(flags & 0x800 ? 'utf-8' : 'gb18030').decode(raw);
    if (!name.endsWith('/')) {
      members.push({ name, size, head: (bytes) => memberHead(file, { local, packed, method, flags }, bytes) });
    }
    at += 46 + skip;
  }
  return members;
}

interface Place {
  local: number;
  packed: number;
  method: number;
  flags: number;
}

async function memberHead(
  file: Blob,
  { local, packed, method, flags }: Place,
  bytes: number,
): Promise<Uint8Array | null> {
  if (flags & 1 || (method !== 0 && method !== 8)) return null;
  const header = await view(file, local, local + 30);
  if (header.byteLength < 30 || header.getUint32(0, true) !== LOCAL) return null;
  const start = local + 30 + header.getUint16(26, true) + header.getUint16(28, true);
  const raw = await bytesOf(file, start, start + Math.min(packed, method === 0 ? bytes : bytes * 2));
  return method === 0 ? raw : inflateHead(new Blob([raw]), bytes);
}

/** At most *bytes* of what *packed* inflates to; a bomb is read no further than that. */
async function inflateHead(packed: Blob, bytes: number): Promise<Uint8Array> {
  const out = new Uint8Array(bytes);
  let filled = 0;
  const reader = packed.stream().pipeThrough(new DecompressionStream('deflate-raw')).getReader();
  try {
    while (filled < bytes) {
      const { done, value } = await reader.read();
      if (done) break;
      const part = value.subarray(0, bytes - filled);
      out.set(part, filled);
      filled += part.length;
    }
  } catch {
    // The slice ends inside the stream: what came out before is the head that was asked for.
  } finally {
    await reader.cancel().catch(() => undefined);
  }
  return out.subarray(0, filled);
}
