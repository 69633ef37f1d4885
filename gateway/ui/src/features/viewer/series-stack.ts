/** A series as a stack of frames in reading order, its gaps named. Pure. */

import { type Instance, number, numbers, ofFrame, text } from './dicom-json';

export interface Frame {
  instance: Instance;
  sopInstance: string;
  /** From 1, as WADO-RS counts. */
  frame: number;
  /** Number in the series as the machine gave it, undefined when it gave none. */
  instanceNumber: number | undefined;
}

export interface Stack {
  frames: Frame[];
  /** Instance numbers that are not there although their neighbours are. */
  missing: number[];
}

const PLANE_POSITION = '00209113';
const PLANE_ORIENTATION = '00209116';
const PIXEL_MEASURES = '00289110';

/** Distance of a frame's plane along the normal of *orientation*; undefined without geometry. */
export function distanceAlong(orientation: readonly number[], position: readonly number[]): number | undefined {
  if (orientation.length !== 6 || position.length !== 3) return undefined;
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = orientation;
  const [x = 0, y = 0, z = 0] = position;
  return x * (b * f - c * e) + y * (c * d - a * f) + z * (a * e - b * d);
}

export function orientationOf(instance: Instance, frame: number): number[] {
  return numbers(ofFrame(instance, frame, PLANE_ORIENTATION), '00200037');
}

export function positionOf(instance: Instance, frame: number): number[] {
  return numbers(ofFrame(instance, frame, PLANE_POSITION), '00200032');
}

/** Slice thickness of a frame (from 0) in millimetres; undefined where neither frame nor object tells it. */
export function thicknessOf(instance: Instance, frame: number): number | undefined {
  return number(ofFrame(instance, frame, PIXEL_MEASURES), '00180050') ?? number(instance, '00180050');
}

function sameOrientation(a: readonly number[], b: readonly number[]): boolean {
  return a.length === 6 && b.length === 6 && a.every((value, index) => Math.abs(value - (b[index] ?? 9)) < 0.01);
}

/**
 * All frames in reading order: by position along the common normal when every frame lies in one orientation at its
 * own place, else by instance number (localizers, cine, dynamic series).
 */
export function stackOf(instances: readonly Instance[]): Stack {
  const byNumber = [...instances].sort(
    (a, b) =>
      (number(a, '00200013') ?? 0) - (number(b, '00200013') ?? 0) ||
      text(a, '00080018').localeCompare(text(b, '00080018')),
  );
  const frames = byNumber.flatMap((instance) => framesOf(instance));
  return { frames: alongNormal(frames) ?? frames, missing: gaps(byNumber) };
}

function framesOf(instance: Instance): Frame[] {
  const count = Math.max(1, Math.trunc(number(instance, '00280008') ?? 1));
  const sopInstance = text(instance, '00080018');
  const instanceNumber = number(instance, '00200013');
  return Array.from({ length: count }, (_, index) => ({ instance, sopInstance, frame: index + 1, instanceNumber }));
}

function alongNormal(frames: readonly Frame[]): Frame[] | null {
  const first = frames[0];
  if (!first || frames.length < 2) return null;
  const common = orientationOf(first.instance, 0);
  const placed: { frame: Frame; at: number }[] = [];
  for (const frame of frames) {
    const at = distanceAlong(common, positionOf(frame.instance, frame.frame - 1));
    if (at === undefined || !sameOrientation(common, orientationOf(frame.instance, frame.frame - 1))) return null;
    placed.push({ frame, at });
  }
  // The sort is stable: frames at one place (phases, echoes) keep their instance order.
  placed.sort((a, b) => a.at - b.at);
  const places = new Set(placed.map(({ at }) => at.toFixed(2))).size;
  if (places < frames.length) return null;
  return readFrom(placed.map(({ frame }) => frame));
}

/** Keeps the machine's own direction: image 1 of the series first. */
function readFrom(frames: Frame[]): Frame[] {
  const first = frames[0]?.instanceNumber ?? 0;
  const last = frames[frames.length - 1]?.instanceNumber ?? 0;
  return first > last ? frames.reverse() : frames;
}

/** A hole this wide is a numbering habit (1, 101, 201), not lost images. */
const WIDEST_GAP = 50;

function gaps(instances: readonly Instance[]): number[] {
  const given = [
    ...new Set(instances.map((instance) => number(instance, '00200013')).filter((value) => value !== undefined)),
  ];
  const missing: number[] = [];
  given.sort((a, b) => a - b);
  given.forEach((value, index) => {
    const before = given[index - 1];
    if (before === undefined || value - before > WIDEST_GAP) return;
    for (let lost = before + 1; lost < value; lost += 1) missing.push(lost);
  });
  // More holes than images means the numbers count something else (every second, every phase).
  return missing.length < given.length / 2 ? missing : [];
}

/** The frame to show first: the middle one, which tells most and loads before the rest. */
export function middleOf(count: number): number {
  return Math.max(0, Math.floor((count - 1) / 2));
}

/** Indices around *at* in the order they are worth having, at most *most*: next, previous, next but one … */
export function neighbours(at: number, count: number, most: number): number[] {
  const found: number[] = [];
  for (let step = 1; step < count && found.length < most; step += 1) {
    if (at + step < count) found.push(at + step);
    if (at - step >= 0 && found.length < most) found.push(at - step);
  }
  return found;
}
