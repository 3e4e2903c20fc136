// What the layers look for: their weights as images.

import { sendForJson } from '../api.js';
import { fill, h } from '../dom.js';
import { figure } from '../numbers.js';
import { choice } from '../parts/fields.js';
import { problemBox } from '../parts/problem.js';
import { served } from '../parts/authenticated_image.js';
import { sameWithCurl } from '../parts/curl_snippet.js';
import { t } from '../strings.js';

/** A section that asks for the layers once it is opened. */
export function filters(name, version) {
  const place = h('div', {}, h('p', { class: 'hint' }, t.models.readingWeights));
  const open = () => layers(name, version).then((shown) => fill(place, shown), (error) => fill(place, problemBox(error)));
  const element = h('details', { class: 'filters' }, h('summary', {}, t.models.filters), place);
  element.addEventListener('toggle', open, { once: true });
  return element;
}

async function layers(name, version) {
  const path = `/v1/models/${name}/filters`;
  const { body } = await sendForJson({ path, query: { version } });
  if (!body.layers.length) return h('p', { class: 'hint' }, t.models.noLayers);
  const drawing = h('div');
  const same = sameWithCurl();
  const show = (chosen) => {
    const layer = body.layers.find((one) => one.name === chosen);
    const call = { path: `${path}/${encodeURIComponent(layer.name)}.png`, query: { version }, save: 'filters.png' };
    same.show(call);
    const image = served(call, { alt: t.models.filtersOf(layer.name) });
    fill(drawing, h('p', { class: 'hint' }, about(layer)), h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': t.models.filtersHere }, image));
  };
  const options = body.layers.map((layer) => ({ value: layer.name, label: `${layer.name} (${layer.operator})` }));
  show(options[0].value);
  return [
    choice({ label: t.models.layer, options, onchange: show }).element,
    drawing,
    h('p', { class: 'hint' }, t.models.filtersLegend),
    same.element,
  ];
}

const about = ({ filters: count, shape, dead, largest }) =>
  t.models.aboutFilters(count, shape.slice(1).join(' × '), dead, figure(largest));
