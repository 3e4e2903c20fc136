// The filters of a model's layers: their weights as images.

import { fetchJson } from '../api.js';
import { h, setChildren } from '../dom.js';
import { formatNumber } from '../numbers.js';
import { renderAuthenticatedImage } from '../parts/authenticated_image.js';
import { createCurlSnippet } from '../parts/curl_snippet.js';
import { createSelect } from '../parts/fields.js';
import { renderProblem } from '../parts/problem.js';
import { t } from '../strings.js';

/** Render a section that loads the layers when it is opened. */
export function renderFilters(name, version) {
  const container = h('div', {}, h('p', { class: 'hint' }, t.models.loadingFilters));
  const load = () =>
    loadLayerFilters(name, version).then(
      (content) => setChildren(container, content),
      (error) => setChildren(container, renderProblem(error)),
    );
  const element = h('details', { class: 'filters' }, h('summary', {}, t.models.filters), container);
  element.addEventListener('toggle', load, { once: true });
  return element;
}

async function loadLayerFilters(name, version) {
  const path = `/v1/models/${name}/filters`;
  const { body } = await fetchJson({ path, query: { version } });
  if (!body.layers.length) return h('p', { class: 'hint' }, t.models.noLayers);
  const layerContainer = h('div');
  const curlSnippet = createCurlSnippet();
  const showLayer = (layerName) => {
    const layer = body.layers.find((each) => each.name === layerName);
    const request = { path: `${path}/${encodeURIComponent(layerName)}.png`, query: { version }, outputName: 'filters.png' };
    curlSnippet.show(request);
    const image = renderAuthenticatedImage(request, { alt: t.models.filtersAlt(layerName) });
    setChildren(
      layerContainer,
      h('p', { class: 'hint' }, describeFilters(layer)),
      h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': t.models.filtersRegion }, image),
    );
  };
  const options = body.layers.map((layer) => ({ value: layer.name, label: `${layer.name} (${layer.operator})` }));
  showLayer(options[0].value);
  return [
    createSelect({ label: t.models.layer, options, onchange: showLayer }).element,
    layerContainer,
    h('p', { class: 'hint' }, t.models.filtersLegend),
    curlSnippet.element,
  ];
}

const describeFilters = ({ filters: count, shape, dead, largest }) =>
  t.models.describeFilters(count, shape.slice(1).join(' × '), dead, formatNumber(largest));
