// The language of the page: the visitor's last choice, else the browser's preference, else English.

import { en } from './strings/en.js';
import { es } from './strings/es.js';

const LANGUAGES = { en, es };
const STORAGE_KEY = 'language';

function readStoredLanguage() {
  try {
    return localStorage.getItem(STORAGE_KEY);
  } catch {
    return null; // storage is disabled in this browser
  }
}

const preferredLanguages = [readStoredLanguage(), ...navigator.languages].map((tag) => tag?.slice(0, 2));

export const language = preferredLanguages.find((tag) => tag in LANGUAGES) ?? 'en';

/** All texts of the page in the current language. */
export const t = LANGUAGES[language];

/** Translate a text of a model's card; texts without a translation are returned unchanged. */
export const translateCardText = (text) => t.models.cards[text] ?? text;

/** Translate the state of a model version; unknown states are returned unchanged. */
export const translateState = (state) => t.models.states[state] ?? state;

/** Switch between English and Spanish and reload the page. */
export function switchLanguage() {
  try {
    localStorage.setItem(STORAGE_KEY, language === 'en' ? 'es' : 'en');
  } catch {
    return; // without storage, the choice would not survive the reload
  }
  location.reload();
}
