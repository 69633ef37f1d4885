import { useState } from 'react';

/** A small picture of a series or an image; its kind in words where there is none. */
export function Picture({ address, word }: { address: string; word: string }) {
  const [away, setAway] = useState(false);
  return away || !address ? (
    <span className="no-picture">{word}</span>
  ) : (
    <img src={address} alt="" loading="lazy" onError={() => setAway(true)} />
  );
}
