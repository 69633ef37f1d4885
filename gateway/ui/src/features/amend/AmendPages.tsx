import '../../styles/admin.css';
import '../../styles/amend.css';
import '../../styles/today.css';
import './words';

import { Navigate, useLocation } from 'react-router';

import { WrongPatient } from './WrongPatient';

const STUDY = /^\/amend\/studies\/([\d.]{1,64})\/patient$/;

/** Where something is put right: a study, images that do not count, who is one person. */
export default function AmendPages() {
  const { pathname } = useLocation();
  const uid = STUDY.exec(pathname)?.[1];
  return uid ? <WrongPatient uid={uid} /> : <Navigate to="/" replace />;
}
