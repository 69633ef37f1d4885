/** Files out of a folder picker or a drop, folders walked to the bottom. */

export interface Picked {
  file: File;
  /** Path below the folder that was chosen, with `/`. */
  path: string;
}

/** A county's whole disc has fewer; a dropped drive root must not freeze the page. */
export const FILES_MAX = 50_000;

export function fromInput(list: FileList | null): Picked[] {
  return [...(list ?? [])].slice(0, FILES_MAX).map((file) => ({ file, path: file.webkitRelativePath || file.name }));
}

/** What the chosen files stand in: the folder's name, or the file's own. */
export function folderName(files: readonly Picked[]): string {
  const first = files[0]?.path ?? '';
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

async function walk(entry: FileSystemEntry, into: Picked[]): Promise<void> {
  if (into.length >= FILES_MAX) return;
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    into.push({ file, path: entry.fullPath.replace(/^\//, '') });
    return;
  }
  for (const child of await childrenOf(entry as FileSystemDirectoryEntry)) await walk(child, into);
}

/** Everything that was dropped. Must be called in the drop event itself: its list is empty afterwards. */
export async function fromDrop(data: DataTransfer): Promise<Picked[]> {
  const entries = [...data.items].map((item) => item.webkitGetAsEntry?.() ?? null);
  const loose = [...data.files];
  const into: Picked[] = [];
  for (const [index, entry] of entries.entries()) {
    const file = loose[index];
    if (entry) await walk(entry, into);
    else if (file) into.push({ file, path: file.name });
  }
  return into;
}
