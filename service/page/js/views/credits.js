// Whose the samples are, and the digits of the game.

import { h } from '../dom.js';
import { SAMPLES } from '../parts/samples.js';
import { t } from '../strings.js';

export const id = 'credits';
export const { title, lead } = t.credits;
export const isUnlisted = true;

const PEN_DIGITS = 'https://archive.ics.uci.edu/dataset/81';
const CC_BY = 'https://creativecommons.org/licenses/by/4.0/';

export function open({ body }) {
  const head = h('tr', {}, [t.credits.item, t.credits.source, t.credits.rights].map((text) => h('th', { scope: 'col' }, text)));
  const rows = SAMPLES.map((sample) =>
    renderRow(
      [h('img', { src: sample.url, alt: '', width: 48, height: 48 }), ` ${sample.label}`],
      t.credits.sources[sample.name] ?? t.credits.ownWork,
      sample.rights,
    ));
  const penDigits = renderRow(t.credits.penDigits, [t.credits.penDigitsSource, ': ', renderExternalLink(PEN_DIGITS)], ['CC BY 4.0: ', renderExternalLink(CC_BY)]);
  const table = h('table', { class: 'credits' }, h('thead', {}, head), h('tbody', {}, rows, penDigits));
  body.append(h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': title }, table));
}

const renderRow = (what, source, rights) => h('tr', {}, h('th', { scope: 'row' }, what), h('td', {}, source), h('td', {}, rights));

const renderExternalLink = (href) => h('a', { href, rel: 'external noreferrer' }, new URL(href).host);
