/** Whether the sheet of keys is shown: asked for by `?` and from the person's menu. */

import { create } from 'zustand';

export const useHelp = create(() => ({ open: false }));

export function openKeysHelp(): void {
  useHelp.setState({ open: true });
}

export function closeKeysHelp(): void {
  useHelp.setState({ open: false });
}
