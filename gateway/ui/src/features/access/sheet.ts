import { create } from 'zustand';

import { useSession } from '../../api/session';

const useSheet = create(() => ({ open: false }));

// Whoever signs in next begins with the page.
useSession.subscribe(({ phase }) => {
  if (phase !== 'signed-in') closeEmergency();
});

export function openEmergency(): void {
  useSheet.setState({ open: true });
}

export function closeEmergency(): void {
  useSheet.setState({ open: false });
}

/** Whether the sheet of the emergency look covers the page now. */
export function useEmergencySheet(): boolean {
  return useSheet((sheet) => sheet.open);
}
