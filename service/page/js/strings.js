// The language of the page: the visitor's last choice, else the browser's, else English.

import { en } from './strings/en.js';
import { es } from './strings/es.js';

const LANGUAGES = { en, es };
const STORAGE_KEY = 'language';

function readStoredLanguage() {
  try {
    return localStorage.getItem(STORAGE_KEY);
  } catch {
    return null; // a browser that stores nothing
  }
}

const wanted = [readStoredLanguage(), ...navigator.languages].map((tag) => tag?.slice(0, 2));

export const language = wanted.find((tag) => tag in LANGUAGES) ?? 'en';

/** Every text of the page. */
export const t = LANGUAGES[language];

/** A text of a model's card in this language, where it is known. */
export const translateCardText = (text) => t.models.cards[text] ?? text;

/** Show the page in the other language from now on. */
export function switchLanguage() {
  try {
    localStorage.setItem(STORAGE_KEY, language === 'en' ? 'es' : 'en');
  } catch {
    return; // without storage, the browser's language stays
  }
  location.reload();
}
