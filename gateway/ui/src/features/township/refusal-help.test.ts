import { describe, expect, it } from 'vitest';

import { helpFor, helpsFor, isDamagedHere, mayPass } from './refusal-help';
import en from './words/en.json';
import zh from './words/zh-CN.json';

describe('what helps with a refusal', () => {
  it.each([
    ['truncated', 'resend'],
    ['empty-file', 'resend'],
    ['storage-full', 'again'],
    ['parcel-damaged', 'again'],
    ['digest-mismatch', 'disk'],
    ['object-missing', 'disk'],
    ['zip-encrypted', 'repack'],
    ['dicomdir', 'none'],
    ['too-deep', 'county'],
    ['instance-refused', 'county'],
    ['a-code-of-tomorrow', 'county'],
  ])('for %s is %s', (code, help) => expect(helpFor(code)).toBe(help));

  it.each([
    ['object-damaged', true, false],
    ['journal-corrupt', true, false],
    ['truncated', false, false],
    ['instance-refused', false, true],
    ['parcel-damaged', false, true],
  ])('tells of %s whether it was harmed here and may pass', (code, harmed, passes) => {
    expect([isDamagedHere(code), mayPass(code)]).toEqual([harmed, passes]);
  });

  it('names each kind once and never "try again" for a broken file', () => {
    expect(helpsFor(['truncated', 'bad-vr', 'too-deep', 'truncated'])).toEqual(['resend', 'county']);
    expect(helpsFor(['dicomdir'])).toEqual([]);
  });

  it('is said below the reasons and not by them: nobody reads it twice', () => {
    const said: Record<string, RegExp> = {
      resend: /重发|send it again|export/i,
      disk: /重发|send it again|on the way|传的过程/i,
      repack: /打包|解开|pack/i,
      county: /找县里|ask the county/i,
    };
    for (const catalogue of [zh, en]) {
      for (const [key, text] of Object.entries(catalogue)) {
        if (!key.startsWith('reason.')) continue;
        const help = helpFor(key.slice('reason.'.length));
        expect(text, key).not.toMatch(said[help] ?? /^$/);
        // Only where trying again helps, or nothing else is said, may it be asked for.
        if (/再传|send again|send it again/.test(text)) expect(['again', 'none'], key).toContain(help);
      }
    }
  });
});
