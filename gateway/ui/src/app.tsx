import { QueryClientProvider } from '@tanstack/react-query';
import { Button, ConfigProvider } from 'antd';
import enUS from 'antd/locale/en_US';
import zhCN from 'antd/locale/zh_CN';
import { lazy, type ReactNode, Suspense, useEffect, useMemo } from 'react';
import { BrowserRouter, Navigate, Route, Routes, useLocation, useNavigate } from 'react-router';

import { queries } from './api/queries';
import { loadSession, useSession } from './api/session';
import { EmergencyBar } from './features/access/EmergencyBar';
import { useEmergencySheet } from './features/access/sheet';
import { SilentNote } from './features/nodes/SilentNote';
import { SignIn } from './features/signin/SignIn';
import { followOrders } from './features/studies/order-live';
import { Fence } from './frame/Fence';
import { useIdleLock } from './frame/idle';
import { answerKeys, type Key, usePageKeys } from './frame/keys';
import { KeysHelp } from './frame/KeysHelp';
import { useLanguage } from './frame/language';
import { LockSheet } from './frame/LockSheet';
import { NewVersion } from './frame/NewVersion';
import { NoPages } from './frame/NoPages';
import { page } from './frame/page';
import { PasswordSheet, usePasswordSheet } from './frame/PasswordSheet';
import { opensStudies, tabsOf } from './frame/tabs';
import { lightTheme } from './frame/theme';
import { GreyLines } from './frame/Trouble';
import { lookForNewVersion } from './frame/version';
import { useText } from './i18n';
import { onLive, runChannel, useChannel, watchBrowserLine } from './live/channel';

const TownshipPage = lazy(page(() => import('./features/township/TownshipPage')));
const TodayPage = lazy(page(() => import('./features/today/TodayPage')));
const DeskPage = lazy(page(() => import('./features/today/DeskPage')));
const ConflictsPage = lazy(page(() => import('./features/conflicts/ConflictsPage')));
// Seldom needed: it comes when it is asked for.
const Emergency = lazy(page(() => import('./features/access/Emergency')));
const LooksPage = lazy(page(() => import('./features/access/LooksPage')));
const AdminPages = lazy(page(() => import('./features/admin/AdminPages')));
const AmendPages = lazy(page(() => import('./features/amend/AmendPages')));
const NodesPage = lazy(page(() => import('./features/nodes/NodesPage')));
const StudiesPage = lazy(page(() => import('./features/studies/StudiesPage')));
const viewer = () => import('./features/viewer/ViewerPage');
const ViewerPage = lazy(page(viewer));

// Whoever opens a study by its address waits for images: its code sets out together with the question who is asking.
if (location.pathname.startsWith('/studies/')) void viewer().catch(() => undefined);

function useLiveChannel(): void {
  const listening = useSession((store) => store.phase === 'signed-in' && store.lock !== 'expired');
  useEffect(() => {
    if (!listening) return undefined;
    const stop = new AbortController();
    void runChannel(stop.signal);
    const unwatch = watchBrowserLine();
    // The server no longer has all that happened since: what is shown is read again.
    const unheard = onLive('reset', () => void queries.invalidateQueries());
    const unfollowed = followOrders(queries);
    return () => {
      stop.abort();
      unwatch();
      unheard();
      unfollowed();
    };
  }, [listening]);
}

/** `G` then a letter goes to a tab, but not away from an open study. */
function useJumps(): void {
  const navigate = useNavigate();
  const reading = useLocation().pathname.startsWith('/studies/');
  const session = useSession((store) => store.session);
  const keys = useMemo<readonly Key[]>(
    () =>
      reading
        ? []
        : tabsOf(session).map((tab) => ({
            keys: [`G ${tab.letter}`],
            label: tab.label,
            run: () => void navigate(tab.path),
          })),
    [navigate, reading, session],
  );
  usePageKeys(keys);
  useEffect(() => answerKeys(), []);
}

/** A server that came back, or parts that are gone there, may mean a newer build. */
function useVersionWatch(): void {
  useEffect(() => {
    const look = () => void lookForNewVersion();
    window.addEventListener('vite:preloadError', look);
    const unwatch = useChannel.subscribe((channel, before) => {
      if (channel.state === 'live' && (before.state === 'offline' || before.state === 'stale')) look();
    });
    return () => {
      window.removeEventListener('vite:preloadError', look);
      unwatch();
    };
  }, []);
}

function Pages() {
  useLiveChannel();
  useIdleLock();
  useJumps();
  useVersionWatch();
  const lock = useSession((store) => store.lock);
  const session = useSession((store) => store.session);
  const paths = tabsOf(session).map((tab) => tab.path);
  const landing = paths[0];
  const { pathname } = useLocation();
  const changing = usePasswordSheet();
  const emergency = useEmergencySheet();
  const covered = lock !== null || changing || emergency;
  return (
    <>
      <div className="page" inert={covered} aria-hidden={covered}>
        <EmergencyBar />
        <Fence key={pathname}>
          <Suspense fallback={<GreyLines />}>
            <Routes>
              {paths.includes('/township') && <Route path="/township" element={<TownshipPage />} />}
              {paths.includes('/today') && <Route path="/today" element={<TodayPage />} />}
              {paths.includes('/today') && <Route path="/today/new" element={<DeskPage />} />}
              {paths.includes('/conflicts') && <Route path="/conflicts" element={<ConflictsPage />} />}
              {paths.includes('/nodes') && <Route path="/nodes" element={<NodesPage />} />}
              {paths.includes('/looks') && <Route path="/looks" element={<LooksPage />} />}
              <Route path="/admin/*" element={<AdminPages />} />
              <Route path="/amend/*" element={<AmendPages />} />
              {paths.includes('/studies') && <Route path="/studies" element={<StudiesPage />} />}
              {opensStudies(session) && <Route path="/studies/:study" element={<ViewerPage />} />}
              <Route path="*" element={landing ? <Navigate to={landing} replace /> : <NoPages />} />
            </Routes>
          </Suspense>
        </Fence>
        <SilentNote />
      </div>
      <KeysHelp />
      <NewVersion />
      {emergency && (
        <Suspense fallback={null}>
          <Emergency />
        </Suspense>
      )}
      {changing && <PasswordSheet />}
      {lock && <LockSheet reason={lock} />}
    </>
  );
}

function Unreachable() {
  const t = useText();
  useEffect(() => {
    const timer = setInterval(() => void loadSession(), 5000);
    return () => clearInterval(timer);
  }, []);
  return (
    <main className="signin">
      <div className="trouble" role="alert">
        <h1 className="answer">{t('app.unreachable')}</h1>
        <p>{t('app.unreachableNext')}</p>
        <Button onClick={() => void loadSession()}>{t('trouble.again')}</Button>
      </div>
    </main>
  );
}

function Door() {
  const phase = useSession((store) => store.phase);
  const username = useSession((store) => store.session?.user?.username ?? '');
  useEffect(() => {
    void loadSession();
  }, []);
  if (phase === 'loading') return null;
  if (phase === 'unreachable') return <Unreachable />;
  if (phase === 'signed-out') return <SignIn />;
  return (
    <BrowserRouter key={username}>
      <Pages />
    </BrowserRouter>
  );
}

function Look({ children }: { children: ReactNode }) {
  const language = useLanguage();
  return (
    <ConfigProvider
      locale={language === 'en' ? enUS : zhCN}
      theme={lightTheme(language)}
      button={{ autoInsertSpace: false }}
      wave={{ disabled: true }}
      componentSize="middle"
    >
      {children}
    </ConfigProvider>
  );
}

export function Workstation() {
  return (
    <Look>
      <QueryClientProvider client={queries}>
        <Door />
      </QueryClientProvider>
    </Look>
  );
}
