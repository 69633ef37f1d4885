import '../../styles/admin.css';
import '../../styles/amend.css';
import '../../styles/today.css';
import './words';

import { Navigate, useLocation } from 'react-router';

import { useSession } from '../../api/session';
import { tabsOf } from '../../frame/tabs';
import { PersonPage } from './PersonPage';
import { ProposalsPage } from './ProposalsPage';
import { RejectImages } from './RejectImages';
import { RejectionsPage } from './RejectionsPage';
import { WrongPatient } from './WrongPatient';

const PERSON = /^\/amend\/persons\/(\d{1,18})$/;
const STUDY = /^\/amend\/studies\/([\d.]{1,64})\/(patient|images)$/;

/** Where something is put right: a study, images that do not count, who is one person. */
export default function AmendPages() {
  const { pathname } = useLocation();
  const mine = tabsOf(useSession((store) => store.session)).map(({ path }) => path);
  const [, uid, what] = STUDY.exec(pathname) ?? [];
  const [, person] = PERSON.exec(pathname) ?? [];
  if (uid) return what === 'patient' ? <WrongPatient uid={uid} /> : <RejectImages uid={uid} />;
  if (person && mine.includes('/amend/persons')) return <PersonPage id={person} />;
  if (!mine.includes(pathname)) return <Navigate to="/" replace />;
  return pathname === '/amend/persons' ? <ProposalsPage /> : <RejectionsPage />;
}
