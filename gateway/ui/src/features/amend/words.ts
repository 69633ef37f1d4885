/** The words of putting right come with the first part that says one. */

import { addWords } from '../../i18n';
import en from './words/en.json';
import zh from './words/zh-CN.json';

addWords(zh, en);

/** The key of what is said when the server refuses with *code*. */
export const amendTrouble = (code: string) => `amend.trouble.${code}`;
