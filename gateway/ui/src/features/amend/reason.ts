/** Whoever puts something right says why. Pure. */

export const REASON_MOST = 500;
const REASON_LEAST = 2;

/** Whether *typed* says anything, as the server counts it. */
export function isReason(typed: string): boolean {
  const said = [...typed.trim().replace(/\s+/g, ' ')].length;
  return said >= REASON_LEAST && said <= REASON_MOST;
}
