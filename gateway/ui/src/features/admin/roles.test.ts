import { describe, expect, it } from 'vitest';

import { sameRoles, withRole } from './roles';

describe('the roles of one account', () => {
  it('lets roles of work meet', () => {
    expect(withRole(['doctor'], 'ward', true)).toEqual(['doctor', 'ward']);
    expect(withRole(['doctor', 'ward'], 'ward', false)).toEqual(['doctor']);
  });

  it('lets an administrator be nothing else', () => {
    expect(withRole(['doctor', 'ward'], 'audit-administrator', true)).toEqual(['audit-administrator']);
    expect(withRole(['audit-administrator'], 'system-administrator', true)).toEqual(['system-administrator']);
    expect(withRole(['audit-administrator'], 'doctor', true)).toEqual(['doctor']);
  });

  it('knows the same roles in another order', () => {
    expect(sameRoles(['a', 'b'], ['b', 'a'])).toBe(true);
    expect(sameRoles(['a', 'b'], ['a', 'c'])).toBe(false);
    expect(sameRoles(['a'], ['a', 'b'])).toBe(false);
  });
});
