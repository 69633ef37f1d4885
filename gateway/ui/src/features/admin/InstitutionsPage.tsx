import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Button } from 'antd';
import { useCallback, useMemo, useState } from 'react';

import { hasText, useText } from '../../i18n';
import { HOUSES, type InstitutionRow, institutions, INSTITUTIONS, putInstitution } from './asks';
import { AddButton, AdminFrame, Find } from './Frame';
import { InstitutionForm, type TypedHouse } from './InstitutionForm';
import { type Column, Ledger } from './Ledger';
import { Refused } from './Refused';
import { useLedger } from './rows';
import { type Placed, treeOf } from './tree';

const NEW: TypedHouse = { code: '', name: '', kind: 'village', parent: null, phone: '' };
const codeOf = ({ row }: Placed<InstitutionRow>) => row.code;

/** Which houses there are, and which belongs to which. */
export function InstitutionsPage() {
  const t = useText();
  const client = useQueryClient();
  const list = useQuery({ queryKey: INSTITUTIONS, queryFn: ({ signal }) => institutions(signal), staleTime: 0 });
  const [find, setFind] = useState('');
  const [adding, setAdding] = useState(false);
  const [said, setSaid] = useState('');
  const all = useMemo(() => list.data ?? [], [list.data]);
  const names = new Map(all.map(({ code, name }) => [code, name]));
  const wanted = find.trim().toLowerCase();
  const shown = treeOf(all).filter(({ row }) => [row.code, row.name, row.phone].some((text) => text.toLowerCase().includes(wanted)));
  const add = useCallback(() => setAdding((was) => !was), []);
  const key = useMemo(() => ({ label: 'house.addOne' as const, run: add }), [add]);
  const ledger = useLedger(shown.map(codeOf), key);
  const again = async () => {
    await client.invalidateQueries({ queryKey: INSTITUTIONS });
    await client.invalidateQueries({ queryKey: HOUSES });
  };
  const kind = (name: string) => {
    const word = `house.kind.${name}`;
    return hasText(word) ? t(word) : name;
  };
  const columns: Column<Placed<InstitutionRow>>[] = [
    {
      head: t('house.name'),
      width: 'minmax(280px, 1.5fr)',
      cell: ({ row, depth }) => (
        <span className="tree-name" style={{ paddingLeft: `${(wanted ? 0 : depth) * 24}px` }}>
          <b>{row.name}</b>
        </span>
      ),
    },
    { head: t('house.code'), width: '200px', cell: ({ row }) => <span className="admin-code">{row.code}</span> },
    { head: t('house.kind'), width: '180px', cell: ({ row }) => kind(row.kind) },
    {
      head: t('house.parent'),
      width: 'minmax(180px, 1fr)',
      cell: ({ row }) => (row.parent ? (names.get(row.parent) ?? row.parent) : <span className="second">{t('house.noParent')}</span>),
    },
    { head: t('house.phone'), width: '180px', cell: ({ row }) => row.phone || <span className="second">{t('house.noPhone')}</span> },
  ];
  return (
    <AdminFrame
      title="tab.institutions"
      answer={list.data && t('house.answer', { count: all.length })}
      state={list}
      said={said}
      tools={
        <>
          <Find value={find} change={setFind} placeholder={t('house.find')} />
          <span className="stretch" />
          <AddButton open={adding} toggle={add}>
            {t('house.addOne')}
          </AddButton>
        </>
      }
    >
      {adding && (
        <AddInstitution
          all={all}
          done={async (name) => {
            await again();
            setAdding(false);
            setSaid(t('house.added', { name }));
          }}
          close={() => setAdding(false)}
        />
      )}
      {list.data && shown.length === 0 && <p className="trouble second">{t('list.nothingFits')}</p>}
      {shown.length > 0 && (
        <Ledger
          label={t('tab.institutions')}
          columns={columns}
          rows={shown}
          keyOf={codeOf}
          {...ledger}
          detail={({ row }) => (
            <OneInstitution
              key={row.version}
              row={row}
              all={all}
              again={again}
              done={(name) => setSaid(t('house.saved', { name }))}
            />
          )}
        />
      )}
    </AdminFrame>
  );
}

function AddInstitution({
  all,
  done,
  close,
}: {
  all: readonly InstitutionRow[];
  done: (name: string) => Promise<void>;
  close: () => void;
}) {
  const t = useText();
  const write = useMutation({
    mutationFn: ({ code, ...body }: TypedHouse) => putInstitution(code, body),
    onSuccess: (_, { name }) => done(name),
  });
  const head = all.find(({ kind, parent }) => kind === 'county' && parent === null)?.code ?? null;
  return (
    <section className="admin-panel" aria-label={t('house.addOne')}>
      <h2>{t('house.addOne')}</h2>
      <InstitutionForm
        start={{ ...NEW, parent: head }}
        all={all}
        isNew
        busy={write.isPending}
        save={write.mutate}
        more={<Button onClick={close}>{t('admin.leaveIt')}</Button>}
      >
        {write.isError && <Refused error={write.error} />}
      </InstitutionForm>
    </section>
  );
}

function OneInstitution({
  row,
  all,
  again,
  done,
}: {
  row: InstitutionRow;
  all: readonly InstitutionRow[];
  again: () => Promise<void>;
  done: (name: string) => void;
}) {
  const t = useText();
  const { code, name, kind, parent, phone } = row;
  const write = useMutation({
    mutationFn: ({ code: _, ...body }: TypedHouse) => putInstitution(code, body, row.version),
    onSuccess: async (_, typed) => {
      await again();
      done(typed.name);
    },
  });
  return (
    <InstitutionForm start={{ code, name, kind, parent, phone }} all={all} busy={write.isPending} save={write.mutate}>
      {write.isError && (
        <>
          <Refused error={write.error} />
          <Button size="small" onClick={() => void again()}>
            {t('admin.seeNow')}
          </Button>
        </>
      )}
    </InstitutionForm>
  );
}
