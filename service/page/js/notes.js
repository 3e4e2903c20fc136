// Notes, units and licences of a card, which a manifest holds in English.

import { grouped } from './numbers.js';
import { t } from './strings.js';

const NUMBER = /\d[\d.,]*\d|\d/g;

/** The phrases of a note in the language of the page; those without a translation stay. */
export const noteText = (note) => translated(note) ?? note.split('; ').map((phrase) => translated(phrase) ?? phrase).join('; ');

/** A text whose numbers are # in the table, with the numbers put back. */
function translated(text) {
  const numbers = text.match(NUMBER);
  return t.models.notes[text.replace(NUMBER, '#')]?.replace(/#/g, () => withComma(numbers.shift()));
}

function withComma(number) {
  const [whole, decimals] = number.replaceAll(',', '').split('.');
  return (whole.length > 4 ? grouped(whole) : whole) + (decimals ? `,${decimals}` : '');
}
