import '../../styles/admin.css';

import { type ComponentType } from 'react';
import { Navigate, useLocation } from 'react-router';

import { useSession } from '../../api/session';
import { tabsOf } from '../../frame/tabs';
import { addWords } from '../../i18n';
import { AccountsPage } from './AccountsPage';
import { AuditPage } from './AuditPage';
import { DevicesPage } from './DevicesPage';
import { InstitutionsPage } from './InstitutionsPage';
import en from './words/en.json';
import zh from './words/zh-CN.json';

addWords(zh, en);

const PAGES: Readonly<Record<string, ComponentType>> = {
  '/admin/accounts': AccountsPage,
  '/admin/audit': AuditPage,
  '/admin/devices': DevicesPage,
  '/admin/institutions': InstitutionsPage,
};

/** The administrators' pages, each only to those whose tab it is. */
export default function AdminPages() {
  const { pathname } = useLocation();
  const mine = useSession((store) => tabsOf(store.session).some(({ path }) => path === pathname));
  const Page = PAGES[pathname];
  return Page && mine ? <Page /> : <Navigate to="/" replace />;
}
