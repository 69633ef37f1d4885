/** The letters at the edges of an image, from its plane and how it is turned on screen. Pure. */

type Vector = readonly [number, number, number];

const AXES: readonly [positive: string, negative: string][] = [
  ['L', 'R'],
  ['P', 'A'],
  ['H', 'F'],
];

/** Directions weaker than this do not earn a letter of their own. */
const FAINT = 0.2;

/** The letters of a patient direction, strongest first, at most three: `L`, `AR`. */
export function lettersOf(direction: Vector): string {
  return direction
    .map((value, axis) => ({ size: Math.abs(value), letter: AXES[axis]?.[value > 0 ? 0 : 1] ?? '' }))
    .filter(({ size }) => size > FAINT)
    .sort((a, b) => b.size - a.size)
    .map(({ letter }) => letter)
    .join('');
}

export function opposite(direction: Vector): Vector {
  return [-direction[0], -direction[1], -direction[2]];
}

export interface Edges {
  left: string;
  right: string;
  top: string;
  bottom: string;
}

/** The edge letters for a screen whose *right* and *down* point these ways in the patient. */
export function edges(right: Vector, down: Vector): Edges {
  return {
    right: lettersOf(right),
    left: lettersOf(opposite(right)),
    bottom: lettersOf(down),
    top: lettersOf(opposite(down)),
  };
}

/** Where the rows and the columns of an image run in the patient. */
export interface Axes {
  row: Vector;
  column: Vector;
}

/** From Image Orientation (Patient); null when the image has none. */
export function axesOfPlane(orientation: readonly number[]): Axes | null {
  const [a, b, c, d, e, f] = orientation;
  if (a === undefined || b === undefined || c === undefined || d === undefined || e === undefined || f === undefined)
    return null;
  return { row: [a, b, c], column: [d, e, f] };
}

function directionOf(letters: string): Vector {
  const direction: [number, number, number] = [0, 0, 0];
  [...letters.toUpperCase()].forEach((letter, rank) => {
    const axis = AXES.findIndex((pair) => pair.includes(letter));
    if (axis >= 0) direction[axis] = (AXES[axis]?.[0] === letter ? 1 : -1) / (rank + 1);
  });
  return direction;
}

/** From Patient Orientation (`L\F`), which projection images have instead of a plane; null without it. */
export function axesOfLetters(values: readonly string[]): Axes | null {
  const [row = '', column = ''] = values;
  return row && column ? { row: directionOf(row), column: directionOf(column) } : null;
}
