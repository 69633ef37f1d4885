import { Button, Progress } from 'antd';
import { type ChangeEvent, type Ref, useCallback, useEffect, useImperativeHandle, useRef, useState } from 'react';

import { useUser } from '../../api/session';
import { useText } from '../../i18n';
import { CheckPanel } from './CheckPanel';
import { type Found, inspect } from './inspect';
import { type KeptBatch, keptFor, printOf } from './kept-batch';
import { folderName, fromDrop, fromInput, type Picks } from './pick';
import { beginSending, endSending, useSending } from './sending-store';
import { SendingPanel } from './SendingPanel';
import { askTodaysList, type TodaysList } from './todays-list';

export interface AddHandle {
  choose: () => void;
}

interface Props {
  ref: Ref<AddHandle>;
  kept: readonly KeptBatch[];
  /** Told of a kept batch that goes on. */
  took: (batch: string) => void;
  countyPhone: string;
}

interface Looking {
  picks: Picks;
  folder: string;
  done: number;
  found: { files: Found; list: TodaysList | null } | null;
}

/** Choosing, dropping, checking and sending: everything between "add images" and the node having them. */
export function AddImages({ ref, kept, took, countyPhone }: Props) {
  const t = useText();
  const user = useUser();
  const batches = useSending((store) => store.batches);
  const [choosing, setChoosing] = useState(false);
  const [over, setOver] = useState(false);
  const [looking, setLooking] = useState<Looking | null>(null);
  /** Chosen or dropped while something else was being checked: each has its turn. */
  const [behind, setBehind] = useState<readonly Picks[]>([]);
  const folderInput = useRef<HTMLInputElement>(null);
  const filesInput = useRef<HTMLInputElement>(null);
  const folderButton = useRef<HTMLButtonElement>(null);
  const stop = useRef<AbortController | null>(null);

  useImperativeHandle(ref, () => ({ choose: () => setChoosing(true) }), []);
  useEffect(() => {
    if (choosing) folderButton.current?.focus();
  }, [choosing]);
  useEffect(() => () => stop.current?.abort(), []);
  const checking = Boolean(looking?.found?.files.send.length);
  useEffect(() => {
    useSending.setState({ checking });
    return () => useSending.setState({ checking: false });
  }, [checking]);

  const look = useCallback(async (picks: Picks) => {
    stop.current?.abort();
    const mine = new AbortController();
    stop.current = mine;
    const folder = folderName(picks);
    const soFar = (done: number) => setLooking({ picks, folder, done, found: null });
    soFar(0);
    const [files, list] = await Promise.all([inspect(picks.files, soFar, mine.signal), askTodaysList(mine.signal)]);
    files.unreadable.unshift(...picks.unreadable);
    if (!mine.signal.aborted) setLooking({ picks, folder, done: picks.files.length, found: { files, list } });
  }, []);

  // A panel that found nothing holds nothing back.
  const busy = looking !== null && (looking.found === null || checking);
  const isBusy = useRef(busy);
  isBusy.current = busy;
  const take = useCallback(
    (picks: Picks) => {
      setChoosing(false);
      if (picks.files.length + picks.unreadable.length === 0) return;
      if (isBusy.current) {
        setBehind((was) => [...was, picks]);
        return;
      }
      isBusy.current = true;
      void look(picks);
    },
    [look],
  );
  const settled = () => {
    const [next, ...rest] = behind;
    setLooking(null);
    setBehind(rest);
    if (next) void look(next);
  };

  useEffect(() => {
    let depth = 0;
    const holdsFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') ?? false;
    const enter = (event: DragEvent) => {
      if (!holdsFiles(event)) return;
      depth += 1;
      setOver(true);
    };
    const leave = () => {
      depth = Math.max(0, depth - 1);
      if (depth === 0) setOver(false);
    };
    const hover = (event: DragEvent) => {
      if (holdsFiles(event)) event.preventDefault();
    };
    const drop = (event: DragEvent) => {
      if (!event.dataTransfer || !holdsFiles(event)) return;
      event.preventDefault();
      depth = 0;
      setOver(false);
      void fromDrop(event.dataTransfer).then(take);
    };
    window.addEventListener('dragenter', enter);
    window.addEventListener('dragleave', leave);
    window.addEventListener('dragover', hover);
    window.addEventListener('drop', drop);
    return () => {
      window.removeEventListener('dragenter', enter);
      window.removeEventListener('dragleave', leave);
      window.removeEventListener('dragover', hover);
      window.removeEventListener('drop', drop);
    };
  }, [take]);

  const picked = (event: ChangeEvent<HTMLInputElement>) => {
    const files = fromInput(event.target.files);
    // The same folder may be chosen again: without this the browser would see no change.
    event.target.value = '';
    take(files);
  };

  return (
    <>
      <input
        ref={folderInput}
        type="file"
        hidden
        multiple
        data-testid="folder-input"
        {...{ webkitdirectory: '' }}
        onChange={picked}
      />
      <input ref={filesInput} type="file" hidden multiple data-testid="files-input" onChange={picked} />
      {over && <div className="drop-here">{t('queue.dropNow')}</div>}
      {choosing && (
        <section className="choose" aria-label={t('queue.add')} data-testid="choose">
          <Button ref={folderButton} onClick={() => folderInput.current?.click()}>
            {t('add.folder')}
          </Button>
          <Button onClick={() => filesInput.current?.click()}>{t('add.files')}</Button>
          <Button type="text" onClick={() => setChoosing(false)}>
            {t('add.cancel')}
          </Button>
          <span className="second">{t('add.orDrop')}</span>
        </section>
      )}
      {looking && !looking.found && (
        <section className="sending" role="status">
          <p>{t('check.looking', { done: looking.done, total: looking.picks.files.length })}</p>
          <Progress
            percent={Math.floor((100 * looking.done) / Math.max(1, looking.picks.files.length))}
            showInfo={false}
            size="small"
            aria-label={t('check.lookingTitle')}
          />
        </section>
      )}
      {looking?.found && (
        <CheckPanel
          folder={looking.folder}
          found={looking.found.files}
          list={looking.found.list}
          beyond={looking.picks.beyond}
          cancel={settled}
          lookAgain={() => void look(looking.picks)}
          send={(files) => {
            settled();
            const { folder } = looking;
            const print = printOf(looking.found?.files.send ?? []);
            const before = keptFor(kept, folder, print);
            beginSending({ folder, print }, files, user.username, before);
            if (before) took(before.batch);
          }}
        />
      )}
      {behind.length > 0 && (
        <p className="note note-info township-note" role="status" data-testid="behind">
          {t('check.next', { list: behind.map(folderName).join(t('app.listed')) })}
        </p>
      )}
      {batches.map(({ sender, view, started }) => (
        <SendingPanel
          key={view.batch}
          view={view}
          waiting={!started}
          countyPhone={countyPhone}
          pause={(paused) => sender.pause(paused)}
          again={(ids) => sender.again(ids)}
          leave={(ids) => sender.leave(ids)}
          close={() => endSending(view.batch)}
        />
      ))}
    </>
  );
}
