// The language of the page: the visitor's last choice, else the browser's, else English.

import { en } from './strings/en.js';
import { es } from './strings/es.js';

const LANGUAGES = { en, es };
const NAME = 'language';

function kept() {
  try {
    return localStorage.getItem(NAME);
  } catch {
    return null; // a browser that stores nothing
  }
}

const wanted = [kept(), ...navigator.languages].map((tag) => tag?.slice(0, 2));

export const language = wanted.find((tag) => tag in LANGUAGES) ?? 'en';

/** Every text of the page. */
export const t = LANGUAGES[language];

/** A text of a model's card in this language, where it is known. */
export const cardText = (text) => t.models.cards[text] ?? text;

/** Show the page in the other language from now on. */
export function switchLanguage() {
  try {
    localStorage.setItem(NAME, language === 'en' ? 'es' : 'en');
  } catch {
    return; // without storage, the browser's language stays
  }
  location.reload();
}
