// Sources and licences of the sample images and of the game's digits.

import { h } from '../dom.js';
import { SAMPLES } from '../parts/samples.js';
import { t } from '../strings.js';

export const id = 'credits';
export const { title, lead } = t.credits;
export const isUnlisted = true;

const PEN_DIGITS_URL = 'https://archive.ics.uci.edu/dataset/81';
const CC_BY_URL = 'https://creativecommons.org/licenses/by/4.0/';

export function mount({ container }) {
  const head = h('tr', {}, [t.credits.item, t.credits.source, t.credits.rights].map((text) => h('th', { scope: 'col' }, text)));
  const rows = SAMPLES.map((sample) =>
    renderRow(
      [h('img', { src: sample.url, alt: '', width: 48, height: 48 }), ` ${sample.label}`],
      t.credits.sources[sample.name] ?? t.credits.ownWork,
      sample.licence,
    ));
  const penDigits = renderRow(
    t.credits.penDigits,
    [t.credits.penDigitsSource, ': ', renderExternalLink(PEN_DIGITS_URL)],
    ['CC BY 4.0: ', renderExternalLink(CC_BY_URL)],
  );
  const table = h('table', { class: 'credits' }, h('thead', {}, head), h('tbody', {}, rows, penDigits));
  container.append(h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': title }, table));
}

const renderRow = (item, source, rights) => h('tr', {}, h('th', { scope: 'row' }, item), h('td', {}, source), h('td', {}, rights));

const renderExternalLink = (href) => h('a', { href, rel: 'external noreferrer' }, new URL(href).host);
