// What a model was measured to do.

import { h } from '../dom.js';
import { translateNote } from '../notes.js';
import { formatCount, formatNumber, formatPercent } from '../numbers.js';
import { t } from '../strings.js';

/** Which of a card's figures says most; the first where none of these is there. */
const HEADLINE_METRICS = [/^code_bytes$/, /^psnr\/(real|course)/, /^psnr\//, /^accuracy$/, /^answers_right$/, /^legibility$/];
/** Shares of one, shown in per cent. */
const FRACTION_METRICS = /^(accuracy|agreement|answers_right|legibility|eyes|precision|recall|sharpness|spread)/;

export function renderHeadlineMetric(card) {
  const metric = HEADLINE_METRICS.map((name) => card.metrics.find((one) => name.test(one.name))).find(Boolean) ?? card.metrics[0];
  if (!metric) return null;
  return [h('b', {}, formatValue(metric)), t.sampleSize(describeMetric(metric.name), formatCount(metric.n))];
}

/** What a figure is, in words: `psnr/sigma-15` and `psnr_q5` are kinds of `psnr`. */
function describeMetric(name) {
  const [whole, ...variant] = name.split('/');
  const [, base, quality] = /^(.*?)(?:_q(\d+))?$/.exec(whole);
  const known = t.metrics[base] ?? base.replaceAll('_', ' ');
  return [quality ? t.metricQuality(known, quality) : known, ...variant.map(describeVariant)].join(' · ');
}

function describeVariant(variant) {
  const [, noise, level] = /^(sigma|stored)-(.+)$/.exec(variant) ?? [];
  return noise ? t.variants[noise](level) : t.variants[variant] ?? variant;
}

export function renderMetricsTable(metrics) {
  const head = t.models.metricsColumns.map((text) => h('th', { scope: 'col' }, text));
  const row = (metric) =>
    h(
      'tr',
      {},
      h('th', { scope: 'row' }, describeMetric(metric.name), h('small', {}, h('code', {}, metric.name), metric.note && ` · ${translateNote(metric.note)}`)),
      h('td', {}, formatValue(metric)),
      h('td', {}, metric.precision),
      h('td', {}, `${translateNote(metric.dataset)}, ${translateNote(metric.split)}`),
      h('td', {}, formatCount(metric.n)),
    );
  const table = h('table', {}, h('thead', {}, h('tr', {}, head)), h('tbody', {}, metrics.map(row)));
  return h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': t.models.metricsTableLabel }, table);
}

function formatValue({ name, value, unit }) {
  if (!unit && FRACTION_METRICS.test(name)) return formatPercent(value);
  return unit ? `${formatNumber(value)} ${translateNote(unit)}` : formatNumber(value);
}
