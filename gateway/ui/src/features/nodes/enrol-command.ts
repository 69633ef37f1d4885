/** The one line that makes a township's machine one of the county's. Pure. */

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]']);

/** Returns what is typed at the machine for *code*; *origin* is where the county's pages are. */
export function enrolCommand(code: string, origin: string): string {
  const { protocol, hostname } = new URL(origin);
  const plain = protocol === 'http:' && !LOOPBACK.has(hostname) ? ' --allow-unencrypted' : '';
  return `yilian township enrol ${code} --county ${origin} --home /srv/yilian${plain}`;
}
