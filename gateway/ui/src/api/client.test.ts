import { afterEach, expect, it, vi } from 'vitest';

import { ask, onSignedOut, rememberCsrf } from './client';

afterEach(() => vi.unstubAllGlobals());

/** Lets every request wait until it is answered with 401. */
function refusing(): () => void {
  let answer = () => {};
  const refused = () => new Response(JSON.stringify({ code: 'not-signed-in' }), { status: 401 });
  vi.stubGlobal('fetch', () => new Promise<Response>((resolve) => (answer = () => resolve(refused()))));
  return () => answer();
}

it('tells that nobody is signed in, but not who signed in meanwhile', async () => {
  const told = vi.fn();
  const stop = onSignedOut(told);
  const answer = refusing();
  rememberCsrf('first');
  const late = ask('/api/v1/studies');
  rememberCsrf('second');
  answer();
  await expect(late).rejects.toMatchObject({ status: 401 });
  expect(told).not.toHaveBeenCalled();
  const own = ask('/api/v1/studies');
  answer();
  await expect(own).rejects.toMatchObject({ status: 401 });
  expect(told).toHaveBeenCalledOnce();
  stop();
});
