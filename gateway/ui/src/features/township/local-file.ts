/** Reads a chosen file piece by piece: what this computer cannot read is told apart from a line that was cut. */

/** The file is gone, was changed, or lies on a medium that was pulled out or is damaged. */
export class Unreadable extends Error {}

/** Whether *error*, or what tus was given as its cause, is of this computer's own reading. */
export function isUnreadable(error: unknown): boolean {
  return error instanceof Unreadable || (error as { causingError?: unknown } | null)?.causingError instanceof Unreadable;
}

/** The bytes of *file* from *start* to before *end*; raises Unreadable where they cannot be had. */
export async function bytesOf(file: Blob, start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
  const piece = file.slice(start, end);
  let bytes: ArrayBuffer;
  try {
    // A file that is gone shows no length either: only reading it tells it from an empty one.
    bytes = await (file.size === 0 ? file : piece).arrayBuffer();
  } catch (error) {
    throw new Unreadable(String(error));
  }
  if (bytes.byteLength !== piece.size) throw new Unreadable('shorter than it was when it was chosen');
  return new Uint8Array(bytes);
}

/**
 * What tus reads a file by. Each piece is read before it is sent: a request that breaks off over a file says no more
 * than one that breaks off over the line. *givenUp* says that nobody wants the piece any more.
 */
export function readerOf(givenUp: () => boolean) {
  return {
    openFile: async (file: Blob) => ({
      size: file.size,
      slice: async (start: number, end: number) => {
        const value = new Blob([await bytesOf(file, start, end)]);
        // An abort does not reach a request that waits for its bytes: it would go out in the next person's name.
        if (givenUp()) throw new Error('given up');
        return { value, done: end >= file.size };
      },
      close: () => undefined,
    }),
  };
}
