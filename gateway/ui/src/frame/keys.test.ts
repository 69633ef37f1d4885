import { describe, expect, it } from 'vitest';

import { actOf, composing, keyName, type Key } from './keys';

function press(init: KeyboardEventInit & { keyCode?: number }): KeyboardEvent {
  const event = new KeyboardEvent('keydown', init);
  if (init.keyCode !== undefined) Object.defineProperty(event, 'keyCode', { value: init.keyCode });
  if (init.isComposing) Object.defineProperty(event, 'isComposing', { value: true });
  return event;
}

describe('the guard over single keys', () => {
  it('goes by the place of the key, so Caps Lock and another layout change nothing', () => {
    expect(keyName(press({ code: 'KeyW', key: 'W' }))).toBe('W');
    expect(keyName(press({ code: 'KeyW', key: 'ц' }))).toBe('W');
    expect(keyName(press({ code: 'Digit3', key: '3' }))).toBe('3');
    expect(keyName(press({ code: 'Numpad3', key: '3' }))).toBe('3');
  });

  it('hears nothing while an input method composes', () => {
    expect(composing(press({ code: 'KeyW', isComposing: true }))).toBe(true);
    expect(keyName(press({ code: 'KeyW', isComposing: true }))).toBe('');
    expect(keyName(press({ code: 'Enter', keyCode: 229 }))).toBe('');
  });

  it.each([
    { code: 'Space', ctrlKey: true },
    { code: 'Space', shiftKey: true },
    { code: 'Period', ctrlKey: true },
    { code: 'KeyN', ctrlKey: true },
    { code: 'KeyT', ctrlKey: true },
    { code: 'KeyW', ctrlKey: true },
    { code: 'KeyW', altKey: true },
    { code: 'F5', key: 'F5' },
    { code: 'F12', key: 'F12' },
  ])('leaves %o to the browser and the input method', (init) => expect(keyName(press(init))).toBe(''));

  it('tells / from ? and E from Shift+E', () => {
    expect(keyName(press({ code: 'Slash', key: '/' }))).toBe('/');
    expect(keyName(press({ code: 'Slash', key: '?', shiftKey: true }))).toBe('?');
    expect(keyName(press({ code: 'KeyE', key: 'E', shiftKey: true }))).toBe('Shift+E');
    expect(keyName(press({ code: 'KeyZ', key: 'z', ctrlKey: true }))).toBe('Ctrl+Z');
  });
});

describe('what a key does', () => {
  const key = (name: string): Key => ({ keys: [name], label: name, run: () => undefined });
  const frame = [key('G S'), key('A')];
  const page = [key('S'), key('A')];

  it('asks the page that came last first', () => {
    expect(actOf(press({ code: 'KeyA' }), [frame, page], 0)).toBe(page[1]);
  });

  it('jumps on G and a letter, and only soon after G', () => {
    expect(actOf(press({ code: 'KeyG' }), [frame, page], 1000)).toBeUndefined();
    expect(actOf(press({ code: 'KeyS' }), [frame, page], 1500)).toBe(frame[0]);
    expect(actOf(press({ code: 'KeyS' }), [frame, page], 1600)).toBe(page[0]);
    actOf(press({ code: 'KeyG' }), [frame, page], 5000);
    expect(actOf(press({ code: 'KeyS' }), [frame, page], 7000)).toBe(page[0]);
  });
});
