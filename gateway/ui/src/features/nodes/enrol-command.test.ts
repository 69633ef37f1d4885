import { describe, expect, it } from 'vitest';

import { enrolCommand } from './enrol-command';

describe('the line that is typed at the machine', () => {
  it('names the code and the county', () =>
    expect(enrolCommand('7KQM-2FXR-9TWD-HB4C', 'https://yilian.example')).toBe(
      'yilian township enrol 7KQM-2FXR-9TWD-HB4C --county https://yilian.example --home /srv/yilian',
    ));

  it('says so where the line is plain, as the program asks for', () => {
    expect(enrolCommand('A', 'http://10.0.0.5:8080')).toMatch(/--county http:\/\/10\.0\.0\.5:8080 .*--allow-unencrypted$/);
    expect(enrolCommand('A', 'http://127.0.0.1:8080')).not.toContain('--allow-unencrypted');
    expect(enrolCommand('A', 'http://[::1]:8080')).not.toContain('--allow-unencrypted');
  });
});
