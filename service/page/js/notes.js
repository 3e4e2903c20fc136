// Translation of notes, units and licences on a model's card, which manifests hold in English.

import { formatCount } from './numbers.js';
import { t } from './strings.js';

const NUMBER = /\d[\d.,]*\d|\d/g;

/** Translate a note as a whole, or else phrase by phrase; phrases without a translation are kept. */
export const translateNote = (note) =>
  translatePhrase(note) ?? note.split('; ').map((phrase) => translatePhrase(phrase) ?? phrase).join('; ');

/** Look a phrase up with its numbers replaced by #, and put the numbers back into the translation. */
function translatePhrase(phrase) {
  const numbers = phrase.match(NUMBER);
  return t.models.notes[phrase.replace(NUMBER, '#')]?.replace(/#/g, () => formatSpanishNumber(numbers.shift()));
}

function formatSpanishNumber(number) {
  const [integer, decimals] = number.replaceAll(',', '').split('.');
  return (integer.length > 4 ? formatCount(integer) : integer) + (decimals ? `,${decimals}` : '');
}
