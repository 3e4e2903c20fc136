// What the layers make of an image: their feature maps.

import { send, sendForJson } from '../api.js';
import { addressIn, fill, h } from '../dom.js';
import { figure } from '../numbers.js';
import { choice } from '../parts/fields.js';
import { imagePicker } from '../parts/file_input.js';
import { problemBox } from '../parts/problem.js';
import { sameWithCurl } from '../parts/curl_snippet.js';
import { DIGITS, THINGS } from '../parts/samples.js';
import { workplace } from '../parts/async_result.js';
import { t } from '../strings.js';

const SEEING = ['classification', 'denoising', 'compression'];

/** A section that asks for nothing until it is opened; none for models that see no images. */
export function activations({ name, version, task }) {
  if (!SEEING.includes(task.kind)) return null;
  const place = h('div', {});
  const element = h('details', { class: 'filters maps' }, h('summary', {}, t.models.maps), place);
  const open = () => bench(name, version, task).then((shown) => fill(place, shown), (error) => fill(place, problemBox(error)));
  element.addEventListener('toggle', open, { once: true });
  return element;
}

async function bench(name, version, task) {
  const { body } = await sendForJson({ path: `/v1/models/${name}/filters`, query: { version } });
  if (!body.layers.length) return h('p', { class: 'hint' }, t.models.noLayers);
  const same = sameWithCurl();
  const answer = workplace(t.models.mapsHere);
  const slot = {};
  let file;
  const ask = () => file && answer.run(async (signal) => {
    const query = { layer: layer.value, version };
    const call = { path: `/v1/models/${name}/activations`, query, form: [['image', file]], save: 'maps.png' };
    same.show(call);
    const { response, blob } = await send(call, signal);
    const image = h('img', { alt: t.models.mapsOf(layer.value), src: addressIn(slot, blob) });
    return [
      h('p', { class: 'hint' }, about(response.headers)),
      h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': t.models.mapsRegion }, image),
    ];
  });
  const options = body.layers.map((one) => ({ value: one.name, label: `${one.name} (${one.operator})` }));
  const layer = choice({ label: t.models.layer, options, onchange: ask });
  const picker = imagePicker({
    samples: task.image.mode === 'L' ? DIGITS : THINGS,
    onpick(picked) {
      file = picked;
      ask();
    },
  });
  return [
    h('div', { class: 'bench' }, h('section', {}, picker.element), h('section', {}, layer.element, answer.element)),
    h('p', { class: 'hint' }, t.models.mapsLegend),
    same.element,
  ];
}

const about = (headers) =>
  t.models.aboutMaps(headers.get('X-DeepShelf-Filters'), headers.get('X-DeepShelf-Dead'), figure(Number(headers.get('X-DeepShelf-Scale'))));
