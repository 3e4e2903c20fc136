// Feature maps: the activations of a model's layers for an image.

import { fetchBlob, fetchJson } from '../api.js';
import { h, replaceObjectUrl, setChildren } from '../dom.js';
import { formatNumber } from '../numbers.js';
import { createAsyncResult } from '../parts/async_result.js';
import { createCurlSnippet } from '../parts/curl_snippet.js';
import { createSelect } from '../parts/fields.js';
import { createImagePicker } from '../parts/file_input.js';
import { renderProblem } from '../parts/problem.js';
import { DIGIT_SAMPLES, OBJECT_SAMPLES } from '../parts/samples.js';
import { t } from '../strings.js';

const IMAGE_TASKS = ['classification', 'denoising', 'compression'];

/** Render a section that loads when it is opened; null for models whose input is not an image. */
export function renderActivations({ name, version, task }) {
  if (!IMAGE_TASKS.includes(task.kind)) return null;
  const container = h('div', {});
  const element = h('details', { class: 'filters feature-maps' }, h('summary', {}, t.models.featureMaps), container);
  const load = () =>
    loadActivationsTool(name, version, task).then(
      (content) => setChildren(container, content),
      (error) => setChildren(container, renderProblem(error)),
    );
  element.addEventListener('toggle', load, { once: true });
  return element;
}

async function loadActivationsTool(name, version, task) {
  const { body } = await fetchJson({ path: `/v1/models/${name}/filters`, query: { version } });
  if (!body.layers.length) return h('p', { class: 'hint' }, t.models.noLayers);
  const curlSnippet = createCurlSnippet();
  const result = createAsyncResult(t.models.featureMapsPlaceholder);
  const urlHolder = {};
  let file;
  const update = () => file && result.run(async (signal) => {
    const query = { layer: layerSelect.value, version };
    const request = { path: `/v1/models/${name}/activations`, query, form: [['image', file]], outputName: 'maps.png' };
    curlSnippet.show(request);
    const { response, blob } = await fetchBlob(request, signal);
    const image = h('img', { alt: t.models.featureMapsAlt(layerSelect.value), src: replaceObjectUrl(urlHolder, blob) });
    return [
      h('p', { class: 'hint' }, describeFeatureMaps(response.headers)),
      h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': t.models.featureMapsRegion }, image),
    ];
  });
  const options = body.layers.map((layer) => ({ value: layer.name, label: `${layer.name} (${layer.operator})` }));
  const layerSelect = createSelect({ label: t.models.layer, options, onchange: update });
  const picker = createImagePicker({
    samples: task.image.mode === 'L' ? DIGIT_SAMPLES : OBJECT_SAMPLES,
    onPick(pickedFile) {
      file = pickedFile;
      update();
    },
  });
  return [
    h('div', { class: 'two-columns' }, h('section', {}, picker.element), h('section', {}, layerSelect.element, result.element)),
    h('p', { class: 'hint' }, t.models.featureMapsLegend),
    curlSnippet.element,
  ];
}

const describeFeatureMaps = (headers) =>
  t.models.describeFeatureMaps(
    headers.get('X-DeepShelf-Filters'),
    headers.get('X-DeepShelf-Dead'),
    formatNumber(Number(headers.get('X-DeepShelf-Scale'))),
  );
