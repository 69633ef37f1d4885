/** What somebody leaves behind in the renderer: it outlives the reading page, and must not outlive the person. */

import { cache, utilities } from '@cornerstonejs/core';
import { annotation, cancelActiveManipulations } from '@cornerstonejs/tools';

import { useSession } from '../../api/session';
import { forgetFrames } from './library';
import { panes } from './state';

/** Acts that can be undone, as many as the renderer keeps by itself. */
const UNDOABLE = 50;

/** Forgets all that was drawn, what could be undone of it, and every patient's pixels and header. */
function forget(): void {
  // Whatever is still being drawn is done with, or the mouse would go on with it.
  for (const { element } of panes.values()) cancelActiveManipulations(element);
  annotation.selection.deselectAnnotation();
  annotation.state.removeAllAnnotations();
  const { DefaultHistoryMemo: history } = utilities.HistoryMemo;
  // To be given a size is what empties it.
  history.size = UNDOABLE;
  cache.purgeCache();
  forgetFrames();
}

/** From now on nobody meets in the renderer what the person before them left; the same person keeps it. */
export function forgetWithThePerson(): void {
  useSession.subscribe(({ session }, before) => {
    if (session?.user?.username !== before.session?.user?.username) forget();
  });
}
