import { describe, expect, it } from 'vitest';

import zh from '../../i18n/zh-CN.json';
import { helpFor, helpsFor } from './refusal-help';

describe('what helps with a refusal', () => {
  it.each([
    ['truncated', 'resend'],
    ['empty-file', 'resend'],
    ['storage-full', 'again'],
    ['digest-mismatch', 'again'],
    ['zip-encrypted', 'repack'],
    ['dicomdir', 'none'],
    ['too-deep', 'county'],
    ['instance-refused', 'county'],
    ['a-code-of-tomorrow', 'county'],
  ])('for %s is %s', (code, help) => expect(helpFor(code)).toBe(help));

  it('names each kind once and never "try again" for a broken file', () => {
    expect(helpsFor(['truncated', 'bad-vr', 'too-deep', 'truncated'])).toEqual(['resend', 'county']);
    expect(helpsFor(['dicomdir'])).toEqual([]);
  });

  it('agrees with what the reasons themselves ask for', () => {
    for (const [key, text] of Object.entries(zh)) {
      if (!key.startsWith('reason.') || key === 'reason.other') continue;
      const code = key.slice('reason.'.length);
      if (text.includes('在设备上重发')) expect(helpFor(code), code).toBe('resend');
      if (text.includes('再传一次') || text.includes('再传')) expect(['again', 'none'], code).toContain(helpFor(code));
      if (text.includes('请找县里')) expect(helpFor(code), code).toBe('county');
    }
  });
});
