// Notes, units and licences of a card, which a manifest holds in English.

import { formatCount } from './numbers.js';
import { t } from './strings.js';

const NUMBER = /\d[\d.,]*\d|\d/g;

/** The phrases of a note in the language of the page; those without a translation stay. */
export const translateNote = (note) => translatePhrase(note) ?? note.split('; ').map((phrase) => translatePhrase(phrase) ?? phrase).join('; ');

/** A text whose numbers are # in the table, with the numbers put back. */
function translatePhrase(text) {
  const numbers = text.match(NUMBER);
  return t.models.notes[text.replace(NUMBER, '#')]?.replace(/#/g, () => formatSpanishNumber(numbers.shift()));
}

function formatSpanishNumber(number) {
  const [whole, decimals] = number.replaceAll(',', '').split('.');
  return (whole.length > 4 ? formatCount(whole) : whole) + (decimals ? `,${decimals}` : '');
}
