/** Times as people read them: the county's clock (Asia/Shanghai), from the server, never from an old PC's own. */

export type Language = 'zh-CN' | 'en';

const ZONE = 'Asia/Shanghai';
let aheadMs = 0;

/** Takes the server's own time from an answer, so that a PC whose clock runs wrong still shows the right minute. */
export function setServerTime(iso: string, receivedAt: number = Date.now()): void {
  const server = Date.parse(iso);
  if (!Number.isNaN(server)) aheadMs = server - receivedAt;
}

/** The server's time now. */
export function now(): Date {
  return new Date(Date.now() + aheadMs);
}

const DAY_ONLY = /^\d{4}-\d{2}-\d{2}$/;

/** The moment *iso* names; one without a zone is the county's wall clock, as modalities write it. */
export function moment(iso: string): Date {
  if (DAY_ONLY.test(iso)) return new Date(`${iso}T00:00:00+08:00`);
  const at = new Date(/(?:Z|[+-]\d{2}:?\d{2})$/i.test(iso) ? iso : `${iso}+08:00`);
  // A page that shows one wrong time is better than one that shows nothing.
  return Number.isNaN(at.getTime()) ? new Date(0) : at;
}

interface Wall {
  year: number;
  month: number;
  day: number;
  hour: string;
  minute: string;
  second: string;
}

const parts = new Intl.DateTimeFormat('en-GB', {
  timeZone: ZONE,
  hourCycle: 'h23',
  year: 'numeric',
  month: '2-digit',
  day: '2-digit',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});

function wall(at: Date): Wall {
  const found: Record<string, string> = {};
  for (const { type, value } of parts.formatToParts(at)) found[type] = value;
  return {
    year: Number(found.year),
    month: Number(found.month),
    day: Number(found.day),
    hour: found.hour ?? '00',
    minute: found.minute ?? '00',
    second: found.second ?? '00',
  };
}

const two = (value: number) => String(value).padStart(2, '0');
const dayNumber = ({ year, month, day }: Wall) => Math.round(Date.UTC(year, month - 1, day) / 86_400_000);
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `10:42`, with seconds when asked. */
export function clockTime(iso: string | Date, { seconds = false } = {}): string {
  const at = wall(typeof iso === 'string' ? moment(iso) : iso);
  return seconds ? `${at.hour}:${at.minute}:${at.second}` : `${at.hour}:${at.minute}`;
}

/** `今天10:42`, `昨天16:05`, `05-12 16:05`, `2025-05-12 16:05`; English `12 May 2026, 16:05`. */
export function dayAndTime(iso: string, language: Language, at: Date = now()): string {
  const then = wall(moment(iso));
  const today = wall(at);
  const time = DAY_ONLY.test(iso) ? '' : `${then.hour}:${then.minute}`;
  const days = dayNumber(today) - dayNumber(then);
  if (language === 'en') {
    if (days === 0) return `Today ${time}`.trim();
    if (days === 1) return `Yesterday ${time}`.trim();
    return [`${then.day} ${MONTHS[then.month - 1]} ${then.year}`, time].filter(Boolean).join(', ');
  }
  if (days === 0) return `今天${time}`;
  if (days === 1) return `昨天${time}`;
  const date = `${two(then.month)}-${two(then.day)} ${time}`.trim();
  return then.year === today.year ? date : `${then.year}-${date}`;
}

/** Within a sentence: `10:42` of today, of another day with its day; a line may be down since the day before yesterday. */
export function shortTime(iso: string, language: Language, at: Date = now()): string {
  if (dayNumber(wall(moment(iso))) === dayNumber(wall(at))) return clockTime(iso);
  return dayAndTime(iso, language, at).replace(/^Yesterday/, 'yesterday');
}

/** The full date and minute, for hover and print. */
export function absolute(iso: string, language: Language): string {
  const at = wall(moment(iso));
  const time = DAY_ONLY.test(iso) ? '' : `${at.hour}:${at.minute}`;
  return language === 'en'
    ? [`${at.day} ${MONTHS[at.month - 1]} ${at.year}`, time].filter(Boolean).join(', ')
    : `${at.year}-${two(at.month)}-${two(at.day)} ${time}`.trim();
}

/** `2026-05-12` of today at the county. */
export function today(at: Date = now()): string {
  const { year, month, day } = wall(at);
  return `${year}-${two(month)}-${two(day)}`;
}

/** A DICOM date `20260512` as `2026-05-12`; '' when it is none. */
export function dicomDate(value: string): string {
  const found = /^(\d{4})\.?(\d{2})\.?(\d{2})/.exec(value.trim());
  if (!found) return '';
  const [, year, month, day] = found;
  if (Number(month) < 1 || Number(month) > 12 || Number(day) < 1 || Number(day) > 31) return '';
  return `${year}-${month}-${day}`;
}

/** A DICOM time `102145.12` as `10:21`; '' when it is none. */
export function dicomTime(value: string): string {
  const found = /^(\d{2}):?(\d{2})/.exec(value.trim());
  return found ? `${found[1]}:${found[2]}` : '';
}

const STATED_OFFSET = /^([+-](?:0\d|1[0-4]))([0-5]\d)$/;

/**
 * The day and time a device wrote, on the county's clock: where the object states a Timezone Offset From UTC (0008,0201)
 * they are the device's own, else the county's already. A day without a time of day stays as written.
 */
export function countyMoment(date: string, time: string, offset: string): { date: string; time: string } {
  const written = { date: dicomDate(date), time: dicomTime(time) };
  const [stated, hours, minutes] = STATED_OFFSET.exec(offset.trim()) ?? [];
  if (!written.date || !written.time || !stated) return written;
  const at = new Date(`${written.date}T${written.time}:00${hours}:${minutes}`);
  return Number.isNaN(at.getTime()) ? written : { date: today(at), time: clockTime(at) };
}

const NBSP = '\u00A0';

/** `1.8 Mbit/s`, value and unit held together. */
export function rate(bitsPerSecond: number): string {
  if (bitsPerSecond >= 1e6) return `${(bitsPerSecond / 1e6).toFixed(1)}${NBSP}Mbit/s`;
  return `${Math.max(1, Math.round(bitsPerSecond / 1e3))}${NBSP}kbit/s`;
}

/** `214 MB`; megabytes of a million, as disks and lines are sold. What is not empty is at least `1 kB`. */
export function fileSize(bytes: number): string {
  if (bytes === 0) return `0${NBSP}kB`;
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)}${NBSP}GB`;
  if (bytes >= 1e6) return `${Math.round(bytes / 1e6)}${NBSP}MB`;
  return `${Math.max(1, Math.round(bytes / 1e3))}${NBSP}kB`;
}
