/** Server-Sent Events as WHATWG writes them, from chunks cut anywhere. Pure. */

export interface LiveEvent {
  id: string;
  topic: string;
  data: string;
}

/** A line longer than this is not one of ours: the stream is given up rather than kept in memory. */
const LONGEST_LINE = 1_000_000;

export class EventParser {
  private rest = '';
  private topic = '';
  private data: string[] = [];
  private lastId = '';
  /** How long the server asks to wait before coming back, in milliseconds; undefined when it never said. */
  retryMs: number | undefined;

  /** The events *chunk* completes. A comment (the heartbeat) completes none but still shows that the line lives. */
  take(chunk: string): LiveEvent[] {
    const text = this.rest + chunk;
    const found: LiveEvent[] = [];
    let from = 0;
    for (;;) {
      const end = this.lineEnd(text, from);
      if (end < 0) break;
      const event = this.line(text.slice(from, end));
      if (event) found.push(event);
      from = text[end] === '\r' && text[end + 1] === '\n' ? end + 2 : end + 1;
    }
    this.rest = text.slice(from);
    if (this.rest.length > LONGEST_LINE) throw new Error('event line too long');
    return found;
  }

  private lineEnd(text: string, from: number): number {
    for (let at = from; at < text.length; at += 1) {
      if (text[at] === '\n') return at;
      // A return at the very end may be the first half of CRLF: wait for the next chunk.
      if (text[at] === '\r') return at + 1 < text.length ? at : -1;
    }
    return -1;
  }

  private line(line: string): LiveEvent | null {
    if (line === '') return this.dispatch();
    if (line.startsWith(':')) return null;
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.topic = value;
    else if (field === 'data') this.data.push(value);
    else if (field === 'id' && !value.includes('\0')) this.lastId = value;
    else if (field === 'retry' && /^\d+$/.test(value)) this.retryMs = Number(value);
    return null;
  }

  private dispatch(): LiveEvent | null {
    const event = this.data.length
      ? { id: this.lastId, topic: this.topic || 'message', data: this.data.join('\n') }
      : null;
    this.topic = '';
    this.data = [];
    return event;
  }
}
