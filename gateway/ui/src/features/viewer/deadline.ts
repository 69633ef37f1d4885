/** The value of *work*, or an error once *ms* have gone by: some decoders never say that they failed. */
export function within<Value>(work: Promise<Value>, ms: number): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('not in time')), ms);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** A large radiograph over 1 Mbit/s takes a minute and a half; beyond this nothing comes any more. */
export const IMAGE_MS = 120_000;
