// What the layers look for: their weights as images.

import { fetchJson } from '../api.js';
import { h, setChildren } from '../dom.js';
import { formatNumber } from '../numbers.js';
import { createSelect } from '../parts/fields.js';
import { renderProblem } from '../parts/problem.js';
import { renderAuthenticatedImage } from '../parts/authenticated_image.js';
import { createCurlSnippet } from '../parts/curl_snippet.js';
import { t } from '../strings.js';

/** A section that asks for the layers once it is opened. */
export function renderFilters(name, version) {
  const place = h('div', {}, h('p', { class: 'hint' }, t.models.loadingFilters));
  const open = () => renderLayerFilters(name, version).then((shown) => setChildren(place, shown), (error) => setChildren(place, renderProblem(error)));
  const element = h('details', { class: 'filters' }, h('summary', {}, t.models.filters), place);
  element.addEventListener('toggle', open, { once: true });
  return element;
}

async function renderLayerFilters(name, version) {
  const path = `/v1/models/${name}/filters`;
  const { body } = await fetchJson({ path, query: { version } });
  if (!body.layers.length) return h('p', { class: 'hint' }, t.models.noLayers);
  const drawing = h('div');
  const same = createCurlSnippet();
  const show = (chosen) => {
    const layer = body.layers.find((one) => one.name === chosen);
    const call = { path: `${path}/${encodeURIComponent(layer.name)}.png`, query: { version }, save: 'filters.png' };
    same.show(call);
    const image = renderAuthenticatedImage(call, { alt: t.models.filtersAlt(layer.name) });
    setChildren(drawing, h('p', { class: 'hint' }, describeFilters(layer)), h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': t.models.filtersRegion }, image));
  };
  const options = body.layers.map((layer) => ({ value: layer.name, label: `${layer.name} (${layer.operator})` }));
  show(options[0].value);
  return [
    createSelect({ label: t.models.layer, options, onchange: show }).element,
    drawing,
    h('p', { class: 'hint' }, t.models.filtersLegend),
    same.element,
  ];
}

const describeFilters = ({ filters: count, shape, dead, largest }) =>
  t.models.describeFilters(count, shape.slice(1).join(' × '), dead, formatNumber(largest));
