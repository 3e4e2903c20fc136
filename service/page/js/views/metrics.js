// What a model was measured to do.

import { h } from '../dom.js';
import { noteText } from '../notes.js';
import { figure, grouped, percent } from '../numbers.js';
import { t } from '../strings.js';

/** Which of a card's figures says most; the first where none of these is there. */
const TELLING = [/^code_bytes$/, /^psnr\/(real|course)/, /^psnr\//, /^accuracy$/, /^answers_right$/, /^legibility$/];
/** Shares of one, shown in per cent. */
const SHARES = /^(accuracy|agreement|answers_right|legibility|eyes|precision|recall|sharpness|spread)/;

export function headline(card) {
  const metric = TELLING.map((name) => card.metrics.find((one) => name.test(one.name))).find(Boolean) ?? card.metrics[0];
  if (!metric) return null;
  return [h('b', {}, withUnit(metric)), t.sampleSize(words(metric.name), grouped(metric.n))];
}

/** What a figure is, in words: `psnr/sigma-15` and `psnr_q5` are kinds of `psnr`. */
function words(name) {
  const [whole, ...variant] = name.split('/');
  const [, base, quality] = /^(.*?)(?:_q(\d+))?$/.exec(whole);
  const known = t.metrics[base] ?? base.replaceAll('_', ' ');
  return [quality ? t.metricQuality(known, quality) : known, ...variant.map(variantWords)].join(' · ');
}

function variantWords(variant) {
  const [, noise, level] = /^(sigma|stored)-(.+)$/.exec(variant) ?? [];
  return noise ? t.variants[noise](level) : t.variants[variant] ?? variant;
}

export function metricsTable(metrics) {
  const head = t.models.columns.map((text) => h('th', { scope: 'col' }, text));
  const row = (metric) =>
    h(
      'tr',
      {},
      h('th', { scope: 'row' }, words(metric.name), h('small', {}, h('code', {}, metric.name), metric.note && ` · ${noteText(metric.note)}`)),
      h('td', {}, withUnit(metric)),
      h('td', {}, metric.precision),
      h('td', {}, `${noteText(metric.dataset)}, ${noteText(metric.split)}`),
      h('td', {}, grouped(metric.n)),
    );
  const table = h('table', {}, h('thead', {}, h('tr', {}, head)), h('tbody', {}, metrics.map(row)));
  return h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': t.models.figures }, table);
}

function withUnit({ name, value, unit }) {
  if (!unit && SHARES.test(name)) return percent(value);
  return unit ? `${figure(value)} ${noteText(unit)}` : figure(value);
}
