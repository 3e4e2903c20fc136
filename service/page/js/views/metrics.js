// What a model was measured to do.

import { h } from '../dom.js';
import { figure, grouped } from '../numbers.js';

/** Which of a card's figures says most; the first where none of these is there. */
const TELLING = [/^code_bytes$/, /^psnr\//, /^accuracy$/];

export function headline(card) {
  const metric = TELLING.map((name) => card.metrics.find((one) => name.test(one.name))).find(Boolean) ?? card.metrics[0];
  if (!metric) return null;
  return [h('b', {}, withUnit(metric)), ` ${readable(metric.name)}, n = ${grouped(metric.n)}`];
}

const readable = (name) => name.replaceAll('_', ' ').replaceAll('/', ' · ');

export function metricsTable(metrics) {
  const head = ['Figure', 'Value', 'Measured on', 'n'].map((text) => h('th', { scope: 'col' }, text));
  const row = (metric) =>
    h(
      'tr',
      {},
      h('th', { scope: 'row' }, readable(metric.name), metric.note && h('small', {}, metric.note)),
      h('td', {}, withUnit(metric)),
      h('td', {}, `${metric.dataset}, ${metric.split}`),
      h('td', {}, grouped(metric.n)),
    );
  const table = h('table', {}, h('thead', {}, h('tr', {}, head)), h('tbody', {}, metrics.map(row)));
  return h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Figures' }, table);
}

function withUnit({ name, value, unit }) {
  if (!unit && name.startsWith('accuracy')) return `${(value * 100).toFixed(1)} %`;
  return unit ? `${figure(value)} ${unit}` : figure(value);
}
