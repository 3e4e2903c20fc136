// The metrics of a model card.

import { h } from '../dom.js';
import { translateNote } from '../notes.js';
import { formatCount, formatNumber, formatPercent } from '../numbers.js';
import { t } from '../strings.js';

/** Names of the metrics that represent a model best, in order of preference. */
const HEADLINE_METRICS = [/^code_bytes$/, /^psnr\/(real|course)/, /^psnr\//, /^accuracy$/, /^answers_right$/, /^legibility$/];
/** Metrics from 0 to 1 that are shown as percentages. */
const FRACTION_METRICS = /^(accuracy|agreement|answers_right|legibility|eyes|precision|recall|sharpness|spread)/;

/** Render the metric that represents the model best, or the first; null for a card without metrics. */
export function renderHeadlineMetric({ metrics }) {
  const preferred = HEADLINE_METRICS.map((pattern) => metrics.find(({ name }) => pattern.test(name))).find(Boolean);
  const metric = preferred ?? metrics[0];
  if (!metric) return null;
  return [h('b', {}, formatValue(metric)), t.sampleSize(describeMetric(metric.name), formatCount(metric.n))];
}

/** Describe a metric in words. `psnr/sigma-15` and `psnr_q5` are variants of `psnr`. */
function describeMetric(metricName) {
  const [name, ...variants] = metricName.split('/');
  const [, baseName, quality] = /^(.*?)(?:_q(\d+))?$/.exec(name);
  const description = t.metrics[baseName] ?? baseName.replaceAll('_', ' ');
  return [quality ? t.metricQuality(description, quality) : description, ...variants.map(describeVariant)].join(' · ');
}

function describeVariant(variant) {
  const [, noise, level] = /^(sigma|stored)-(.+)$/.exec(variant) ?? [];
  return noise ? t.variants[noise](level) : t.variants[variant] ?? variant;
}

export function renderMetricsTable(metrics) {
  const head = t.models.metricsColumns.map((text) => h('th', { scope: 'col' }, text));
  const renderRow = (metric) => {
    const note = metric.note && ` · ${translateNote(metric.note)}`;
    return h(
      'tr',
      {},
      h('th', { scope: 'row' }, describeMetric(metric.name), h('small', {}, h('code', {}, metric.name), note)),
      h('td', {}, formatValue(metric)),
      h('td', {}, metric.precision),
      h('td', {}, `${translateNote(metric.dataset)}, ${translateNote(metric.split)}`),
      h('td', {}, formatCount(metric.n)),
    );
  };
  const table = h('table', {}, h('thead', {}, h('tr', {}, head)), h('tbody', {}, metrics.map(renderRow)));
  return h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': t.models.metricsTableLabel }, table);
}

function formatValue({ name, value, unit }) {
  if (!unit && FRACTION_METRICS.test(name)) return formatPercent(value);
  return unit ? `${formatNumber(value)} ${translateNote(unit)}` : formatNumber(value);
}
