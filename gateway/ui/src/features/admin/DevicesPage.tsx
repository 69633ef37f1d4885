import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Button } from 'antd';
import { useCallback, useMemo, useState } from 'react';

import { useSession } from '../../api/session';
import { useText } from '../../i18n';
import { type Device, DEVICES, devices, putDevice, removeDevice } from './asks';
import { NEW_DEVICE, sentOf, type Typed, typedOf } from './device';
import { DeviceForm } from './DeviceForm';
import { Echo } from './Echo';
import { AddButton, AdminFrame, Find } from './Frame';
import { useHouses } from './HouseSelect';
import { type Column, Ledger } from './Ledger';
import { Refused } from './Refused';
import { useLedger } from './rows';
import { Sure } from './Sure';

const titleOf = ({ ae_title }: Device) => ae_title;
const place = ({ host, port }: Device) => (host || port ? `${host || '*'}${port ? `:${port}` : ''}` : '');

/** Which devices may connect, as whom, and whether they answer. */
export function DevicesPage() {
  const t = useText();
  const list = useQuery({ queryKey: DEVICES, queryFn: ({ signal }) => devices(signal), staleTime: 0 });
  const houses = useHouses();
  const demo = useSession((store) => store.session?.demo);
  const [find, setFind] = useState('');
  const [adding, setAdding] = useState(false);
  const [said, setSaid] = useState('');
  const house = (code: string) => houses.get(code)?.name ?? code;
  const wanted = find.trim().toLowerCase();
  const shown = (list.data ?? []).filter((one) =>
    [one.ae_title, house(one.institution), one.institution, one.host].some((text) => text.toLowerCase().includes(wanted)),
  );
  const add = useCallback(() => setAdding((was) => !was), []);
  const key = useMemo(() => ({ label: 'device.addOne' as const, run: add }), [add]);
  const ledger = useLedger(shown.map(titleOf), key);
  const columns: Column<Device>[] = [
    { head: t('device.title'), width: '190px', cell: (one) => <b className="admin-code">{one.ae_title}</b> },
    { head: t('admin.house'), width: 'minmax(180px, 1fr)', cell: (one) => house(one.institution) },
    {
      head: t('device.place'),
      width: '220px',
      cell: (one) => (place(one) ? <span className="admin-code">{place(one)}</span> : <span className="second">{t('device.anywhere')}</span>),
    },
    {
      head: t('device.may'),
      width: 'minmax(240px, 1.2fr)',
      cell: (one) =>
        [one.may_store && t('device.mayStore'), one.may_query && t('device.mayQuery')].filter(Boolean).join(t('app.listed')) ||
        t('device.mayNothing'),
    },
    { head: t('device.line'), width: '110px', cell: (one) => t(one.tls_required ? 'device.tlsShort' : 'device.plain') },
    { head: t('device.charset'), width: '120px', cell: (one) => one.charset_hint || '-' },
  ];
  return (
    <AdminFrame
      title="tab.devices"
      answer={list.data && t('device.answer', { count: list.data.length })}
      state={list}
      said={said}
      tools={
        <>
          <Find value={find} change={setFind} placeholder={t('device.find')} />
          <span className="stretch" />
          <AddButton open={adding} toggle={add}>
            {t('device.addOne')}
          </AddButton>
        </>
      }
    >
      {adding && (
        <AddDevice
          done={(title) => {
            setAdding(false);
            setSaid(t('device.added', { title }));
          }}
          close={() => setAdding(false)}
        />
      )}
      {list.data?.length === 0 && <p className="trouble second">{t(demo ? 'device.emptyDemo' : 'device.empty')}</p>}
      {list.data && list.data.length > 0 && shown.length === 0 && <p className="trouble second">{t('list.nothingFits')}</p>}
      {shown.length > 0 && (
        <Ledger
          label={t('tab.devices')}
          columns={columns}
          rows={shown}
          keyOf={titleOf}
          {...ledger}
          detail={(one) => (
            <OneDevice
              key={one.version}
              device={one}
              said={(text) => {
                setSaid(text);
              }}
              gone={() => ledger.setOpen(null)}
            />
          )}
        />
      )}
    </AdminFrame>
  );
}

function AddDevice({ done, close }: { done: (title: string) => void; close: () => void }) {
  const t = useText();
  const client = useQueryClient();
  const write = useMutation({
    mutationFn: (typed: Typed) => putDevice(typed.title.trim(), sentOf(typed)),
    onSuccess: async (_, typed) => {
      await client.invalidateQueries({ queryKey: DEVICES });
      done(typed.title.trim());
    },
  });
  return (
    <section className="admin-panel" aria-label={t('device.addOne')}>
      <h2>{t('device.addOne')}</h2>
      <DeviceForm
        start={NEW_DEVICE}
        isNew
        busy={write.isPending}
        save={write.mutate}
        more={<Button onClick={close}>{t('admin.leaveIt')}</Button>}
      >
        {write.isError && <Refused error={write.error} />}
      </DeviceForm>
    </section>
  );
}

function OneDevice({ device, said, gone }: { device: Device; said: (text: string) => void; gone: () => void }) {
  const t = useText();
  const client = useQueryClient();
  const again = () => client.invalidateQueries({ queryKey: DEVICES });
  const write = useMutation({
    mutationFn: (typed: Typed) => putDevice(device.ae_title, sentOf(typed), device.version),
    onSuccess: async () => {
      await again();
      said(t('device.saved', { title: device.ae_title }));
    },
  });
  const remove = useMutation({
    mutationFn: () => removeDevice(device),
    onSuccess: async () => {
      gone();
      await again();
      said(t('device.removed', { title: device.ae_title }));
    },
  });
  const failed = write.error ?? remove.error;
  return (
    <>
      <Echo device={device} />
      <DeviceForm
        start={typedOf(device)}
        busy={write.isPending}
        save={write.mutate}
        more={
          <Sure
            name="remove"
            text={t('device.removeSure', { title: device.ae_title })}
            yes={t('device.removeYes')}
            act={() => remove.mutate()}
            busy={remove.isPending}
          >
            {t('device.remove')}
          </Sure>
        }
      >
        {failed && (
          <>
            <Refused error={failed} />
            <Button size="small" onClick={() => void again()}>
              {t('admin.seeNow')}
            </Button>
          </>
        )}
      </DeviceForm>
    </>
  );
}
