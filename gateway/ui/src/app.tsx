import { QueryClientProvider } from '@tanstack/react-query';
import { Button, ConfigProvider } from 'antd';
import enUS from 'antd/locale/en_US';
import zhCN from 'antd/locale/zh_CN';
import { type ComponentType, lazy, type ReactNode, Suspense, useEffect, useMemo } from 'react';
import { BrowserRouter, Navigate, Route, Routes, useLocation, useNavigate } from 'react-router';

import { Problem } from './api/client';
import { queries } from './api/queries';
import { loadSession, useSession } from './api/session';
import { SignIn } from './features/signin/SignIn';
import { Fence } from './frame/Fence';
import { useIdleLock } from './frame/idle';
import { answerKeys, type Key, usePageKeys } from './frame/keys';
import { KeysHelp } from './frame/KeysHelp';
import { useLanguage } from './frame/language';
import { LockSheet } from './frame/LockSheet';
import { tabsOf } from './frame/tabs';
import { lightTheme } from './frame/theme';
import { TopBar } from './frame/TopBar';
import { GreyLines } from './frame/Trouble';
import { useText } from './i18n';
import { runChannel, watchBrowserLine } from './live/channel';

/** A page whose code comes when it is first opened; without a line that is told as such, not as a fault of the page. */
function page(load: () => Promise<{ default: ComponentType }>) {
  return lazy(() =>
    load().catch(() => {
      throw new Problem(0, 'unreachable', '');
    }),
  );
}

const TownshipPage = page(() => import('./features/township/TownshipPage'));
const StudiesPage = page(() => import('./features/studies/StudiesPage'));
const ViewerPage = page(() => import('./features/viewer/ViewerPage'));

function useLiveChannel(): void {
  const listening = useSession((store) => store.phase === 'signed-in' && store.lock !== 'expired');
  useEffect(() => {
    if (!listening) return undefined;
    const stop = new AbortController();
    void runChannel(stop.signal);
    const unwatch = watchBrowserLine();
    return () => {
      stop.abort();
      unwatch();
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

function NoPages() {
  const t = useText();
  return (
    <div className="page">
      <TopBar />
      <main className="trouble">
        <h1 className="answer">{t('app.noPages')}</h1>
        <p>{t('app.noPagesNext')}</p>
      </main>
    </div>
  );
}

function Pages() {
  useLiveChannel();
  useIdleLock();
  useJumps();
  const lock = useSession((store) => store.lock);
  const session = useSession((store) => store.session);
  const paths = tabsOf(session).map((tab) => tab.path);
  const landing = paths[0];
  return (
    <>
      <div className="page" inert={lock !== null} aria-hidden={lock !== null}>
        <Fence>
          <Suspense fallback={<GreyLines />}>
            <Routes>
              {paths.includes('/township') && <Route path="/township" element={<TownshipPage />} />}
              {paths.includes('/studies') && <Route path="/studies" element={<StudiesPage />} />}
              {paths.includes('/studies') && <Route path="/studies/:study" element={<ViewerPage />} />}
              <Route path="*" element={landing ? <Navigate to={landing} replace /> : <NoPages />} />
            </Routes>
          </Suspense>
        </Fence>
      </div>
      <KeysHelp />
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
