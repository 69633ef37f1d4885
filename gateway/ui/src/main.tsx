import './styles/tokens.css';
import './styles/frame.css';

import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import { Workstation } from './app';
import { startLanguage } from './i18n';

const page = document.getElementById('page');
if (!page) throw new Error('index.html has no #page');

await startLanguage();
createRoot(page).render(
  <StrictMode>
    <Workstation />
  </StrictMode>,
);
