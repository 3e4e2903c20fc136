// What the layers make of an image: their feature maps.

import { fetchBlob, fetchJson } from '../api.js';
import { h, replaceObjectUrl, setChildren } from '../dom.js';
import { formatNumber } from '../numbers.js';
import { createSelect } from '../parts/fields.js';
import { createImagePicker } from '../parts/file_input.js';
import { renderProblem } from '../parts/problem.js';
import { createCurlSnippet } from '../parts/curl_snippet.js';
import { DIGIT_SAMPLES, OBJECT_SAMPLES } from '../parts/samples.js';
import { createAsyncResult } from '../parts/async_result.js';
import { t } from '../strings.js';

const IMAGE_TASKS = ['classification', 'denoising', 'compression'];

/** A section that asks for nothing until it is opened; none for models that see no images. */
export function renderActivations({ name, version, task }) {
  if (!IMAGE_TASKS.includes(task.kind)) return null;
  const place = h('div', {});
  const element = h('details', { class: 'filters feature-maps' }, h('summary', {}, t.models.featureMaps), place);
  const open = () => renderActivationsTool(name, version, task).then((shown) => setChildren(place, shown), (error) => setChildren(place, renderProblem(error)));
  element.addEventListener('toggle', open, { once: true });
  return element;
}

async function renderActivationsTool(name, version, task) {
  const { body } = await fetchJson({ path: `/v1/models/${name}/filters`, query: { version } });
  if (!body.layers.length) return h('p', { class: 'hint' }, t.models.noLayers);
  const same = createCurlSnippet();
  const answer = createAsyncResult(t.models.featureMapsPlaceholder);
  const slot = {};
  let file;
  const ask = () => file && answer.run(async (signal) => {
    const query = { layer: layer.value, version };
    const call = { path: `/v1/models/${name}/activations`, query, form: [['image', file]], save: 'maps.png' };
    same.show(call);
    const { response, blob } = await fetchBlob(call, signal);
    const image = h('img', { alt: t.models.featureMapsAlt(layer.value), src: replaceObjectUrl(slot, blob) });
    return [
      h('p', { class: 'hint' }, describeMaps(response.headers)),
      h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': t.models.featureMapsRegion }, image),
    ];
  });
  const options = body.layers.map((one) => ({ value: one.name, label: `${one.name} (${one.operator})` }));
  const layer = createSelect({ label: t.models.layer, options, onchange: ask });
  const picker = createImagePicker({
    samples: task.image.mode === 'L' ? DIGIT_SAMPLES : OBJECT_SAMPLES,
    onpick(picked) {
      file = picked;
      ask();
    },
  });
  return [
    h('div', { class: 'two-columns' }, h('section', {}, picker.element), h('section', {}, layer.element, answer.element)),
    h('p', { class: 'hint' }, t.models.featureMapsLegend),
    same.element,
  ];
}

const describeMaps = (headers) =>
  t.models.describeFeatureMaps(headers.get('X-DeepShelf-Filters'), headers.get('X-DeepShelf-Dead'), formatNumber(Number(headers.get('X-DeepShelf-Scale'))));
