import { useMemo } from 'react';
import { useNavigate } from 'react-router';

import type { StudyHere } from '../../api/types';
import { imagesPath, reportOf, reportPath } from './here';
import { useCameFrom } from './Look';

/** What the keys of a list do with its chosen study: open what there is of it here, else nothing. */
export function useOpenHere(here: ReadonlyMap<string, StudyHere>) {
  const navigate = useNavigate();
  const { from } = useCameFrom();
  return useMemo(
    () => ({
      images: (study: string) => {
        if ((here.get(study)?.images ?? 0) > 0) void navigate(imagesPath(study), { state: { from } });
      },
      report: (study: string) => {
        const { first } = reportOf(here.get(study));
        if (first) void navigate(reportPath(first), { state: { from } });
      },
    }),
    [from, here, navigate],
  );
}
