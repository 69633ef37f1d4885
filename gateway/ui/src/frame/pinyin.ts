/** Whether a name in pinyin is what somebody typed: a part of it, or its initials. Pure. */

/** Whether *pinyin* (`Liu Xiaofeng`) holds *typed*: `liu`, `liuxiao`, or the initials of its words or syllables (`lx`, `lxf`). */
export function soundsLike(pinyin: string, typed: string): boolean {
  const [name, wanted] = [pinyin.toLowerCase(), typed.trim().toLowerCase()];
  if (!name || !wanted) return false;
  const initials = name
    .split(/[\s']+/)
    .map((word) => word[0] ?? '')
    .join('');
  return (
    [name, name.replace(/\s/g, '')].some((text) => text.includes(wanted)) ||
    [initials, syllableInitials(name)].some((text) => text.startsWith(wanted))
  );
}

/** Initials of `liu xiaofeng`, syllable by syllable: `lxf`. */
function syllableInitials(pinyin: string): string {
  const syllable = /(?:zh|ch|sh|[bpmfdtnlgkhjqxrzcsyw])?(?:[aeiouüv]+(?:ng(?![aeiouüv])|n(?![aeiouüv])|r(?![aeiouüv]))?)/g;
  return [...pinyin.matchAll(syllable)].map(([found]) => found[0]).join('');
}
