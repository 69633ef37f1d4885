import { describe, expect, it } from 'vitest';

import { EventParser, type LiveEvent } from './event-parser';

const STREAM =
  'retry: 2000\r\n\r\nid: 41\nevent: study.updated\ndata: {"a":\ndata: 1}\n\n: heartbeat\n\nid: 42\rdata: x\r\rdata:  two\n\n';
const EVENTS: LiveEvent[] = [
  { id: '41', topic: 'study.updated', data: '{"a":\n1}' },
  { id: '42', topic: 'message', data: 'x' },
  { id: '42', topic: 'message', data: ' two' },
];

describe('Server-Sent Events', () => {
  it('come out the same wherever the stream is cut', () => {
    for (let cut = 0; cut <= STREAM.length; cut += 1) {
      const parser = new EventParser();
      const found = [...parser.take(STREAM.slice(0, cut)), ...parser.take(STREAM.slice(cut))];
      expect(found, `cut at ${cut}`).toEqual(EVENTS);
      expect(parser.retryMs).toBe(2000);
    }
  });

  it('come out the same one character at a time', () => {
    const parser = new EventParser();
    expect([...STREAM].flatMap((character) => parser.take(character))).toEqual(EVENTS);
  });

  it('make no event of a heartbeat or an event without data', () => {
    expect(new EventParser().take(': beat\n\nevent: x\n\n')).toEqual([]);
  });

  it('give up a line without end instead of keeping it', () => {
    const parser = new EventParser();
    expect(() => {
      for (let count = 0; count < 12; count += 1) parser.take('x'.repeat(100_000));
    }).toThrow();
  });
});
