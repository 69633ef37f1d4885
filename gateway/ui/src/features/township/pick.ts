/** Files out of a folder picker or a drop, folders walked to the bottom. */

export interface Picked {
  file: File;
  /** Path below the folder that was chosen, with `/`. */
  path: string;
}

/** What somebody chose or dropped at one time. */
export interface Picks {
  files: Picked[];
  /** Paths of dropped files and folders that could not be opened. */
  unreadable: string[];
  /** Files that were too many to take. */
  beyond: number;
}

/** A county's whole disc has fewer; a dropped drive root must not freeze the page. */
export const FILES_MAX = 50_000;
/** Further ones are only counted, and no further than this. */
export const BEYOND_MAX = 200_000;

export function fromInput(list: ArrayLike<File> | null, most = FILES_MAX): Picks {
  const all = Array.from(list ?? []);
  const files = all.slice(0, most).map((file) => ({ file, path: file.webkitRelativePath || file.name }));
  return { files, unreadable: [], beyond: all.length - files.length };
}

/** What the chosen files stand in: the folder's name, or the file's own. */
export function folderName({ files, unreadable }: Picks): string {
  const first = files[0]?.path ?? unreadable[0] ?? '';
  return first.includes('/') ? first.slice(0, first.indexOf('/')) : first;
}

async function childrenOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  // readEntries answers at most 100 at a time, and an empty list at the end.
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return all;
    all.push(...some);
  }
}

/** Adds to *into* what lies in *entry*, at most *most* files; what cannot be opened stops nothing else. */
export async function walk(entry: FileSystemEntry, into: Picks, most = FILES_MAX): Promise<void> {
  if (into.beyond >= BEYOND_MAX) return;
  const path = entry.fullPath.replace(/^\//, '');
  try {
    if (entry.isFile && into.files.length >= most) {
      into.beyond += 1;
      return;
    }
    if (entry.isFile) {
      const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
      into.files.push({ file, path });
      return;
    }
    for (const child of await childrenOf(entry as FileSystemDirectoryEntry)) await walk(child, into, most);
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    into.unreadable.push(path);
  }
}

/** Everything that was dropped. Must be called in the drop event itself: its list is empty afterwards. */
export async function fromDrop(data: DataTransfer): Promise<Picks> {
  const entries = [...data.items].map((item) => item.webkitGetAsEntry?.() ?? null);
  const loose = [...data.files];
  const into: Picks = { files: [], unreadable: [], beyond: 0 };
  for (const [index, entry] of entries.entries()) {
    const file = loose[index];
    if (entry) await walk(entry, into);
    else if (file) into.files.push({ file, path: file.name });
  }
  return into;
}
