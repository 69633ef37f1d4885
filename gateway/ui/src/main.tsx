import './styles/tokens.css';
import './styles/frame.css';

import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import { Problem } from './api/client';
import { Workstation } from './app';
import { startLanguage } from './i18n';

const page = document.getElementById('page');
if (!page) throw new Error('index.html has no #page');

await startLanguage();
createRoot(page, {
  // A server out of reach is told on the page; the log is for faults.
  onCaughtError: (error) => {
    if (!(error instanceof Problem)) console.error(error);
  },
}).render(
  <StrictMode>
    <Workstation />
  </StrictMode>,
);
