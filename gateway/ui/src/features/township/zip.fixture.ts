/** Small zip files for the tests, written by the format's own description (APPNOTE 4.3). */

interface Member {
  name: string;
  bytes: Uint8Array;
  deflate: boolean;
}

async function deflated(bytes: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([bytes as BlobPart]).stream().pipeThrough(new CompressionStream('deflate-raw'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const le = (value: number, size: number) =>
  Array.from({ length: size }, (_, index) => Math.floor(value / 256 ** index) & 255);

export async function zip(members: readonly Member[]): Promise<Uint8Array> {
  const body: number[] = [];
  const directory: number[] = [];
  for (const { name, bytes, deflate } of members) {
    const packed = deflate ? await deflated(bytes) : bytes;
    const path = [...new TextEncoder().encode(name)];
    const shared = [
      ...le(20, 2),
      ...le(0x800, 2),
      ...le(deflate ? 8 : 0, 2),
      ...le(0, 4),
      ...le(0, 4),
      ...le(packed.length, 4),
      ...le(bytes.length, 4),
      ...le(path.length, 2),
      ...le(0, 2),
    ];
    directory.push(
      ...le(0x02014b50, 4),
      ...le(20, 2),
      ...shared,
      ...le(0, 2),
      ...le(0, 2),
      ...le(0, 2),
      ...le(0, 4),
      ...le(body.length, 4),
      ...path,
    );
    body.push(...le(0x04034b50, 4), ...shared, ...path, ...packed);
  }
  const end = [
    ...le(0x06054b50, 4),
    ...le(0, 4),
    ...le(members.length, 2),
    ...le(members.length, 2),
    ...le(directory.length, 4),
    ...le(body.length, 4),
    ...le(0, 2),
  ];
  return Uint8Array.from([...body, ...directory, ...end]);
}
