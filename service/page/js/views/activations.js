// What the layers make of a picture: their feature maps.

import { send, sendForJson } from '../api.js';
import { addressIn, fill, h } from '../dom.js';
import { choice } from '../parts/fields.js';
import { picturePicker } from '../parts/file_input.js';
import { problemBox } from '../parts/problem.js';
import { sameWithCurl } from '../parts/curl_snippet.js';
import { DIGITS, THINGS } from '../parts/samples.js';
import { workplace } from '../parts/async_result.js';

const SEEING = ['classification', 'denoising', 'compression'];

/** A section that asks for nothing until it is opened; none for models that see no pictures. */
export function activations({ name, version, task }) {
  if (!SEEING.includes(task.kind)) return null;
  const place = h('div', {});
  const element = h('details', { class: 'filters maps' }, h('summary', {}, 'What its layers make of a picture'), place);
  const open = () => bench(name, version, task).then((shown) => fill(place, shown), (error) => fill(place, problemBox(error)));
  element.addEventListener('toggle', open, { once: true });
  return element;
}

async function bench(name, version, task) {
  const { body } = await sendForJson({ path: `/v1/models/${name}/filters`, query: { version } });
  if (!body.layers.length) return h('p', { class: 'hint' }, 'It has no layers with weights.');
  const same = sameWithCurl();
  const answer = workplace('The maps appear here.');
  const slot = {};
  let file;
  const ask = () => file && answer.run(async (signal) => {
    const query = { layer: layer.value, version };
    const call = { path: `/v1/models/${name}/activations`, query, form: [['image', file]], save: 'maps.png' };
    same.show(call);
    const { response, blob } = await send(call, signal);
    const image = h('img', { alt: `What ${layer.value} makes of the picture`, src: addressIn(slot, blob) });
    return [
      h('p', { class: 'hint' }, about(response.headers)),
      h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Feature maps' }, image),
    ];
  });
  const options = body.layers.map((one) => ({ value: one.name, label: `${one.name} (${one.operator})` }));
  const layer = choice({ label: 'Layer', options, onchange: ask });
  const picker = picturePicker({
    samples: task.image.mode === 'L' ? DIGITS : THINGS,
    onpick(picked) {
      file = picked;
      ask();
    },
  });
  return [
    h('div', { class: 'bench' }, h('section', {}, picker.element), h('section', {}, layer.element, answer.element)),
    h('p', { class: 'hint' }, 'White is zero, red positive, blue negative, before what follows the layer. Maps that are zero everywhere have a magenta frame.'),
    same.element,
  ];
}

const about = (headers) =>
  `${headers.get('X-DeepShelf-Filters')} maps, ${headers.get('X-DeepShelf-Dead')} of them zero everywhere; the colours end at ${Number(headers.get('X-DeepShelf-Scale')).toPrecision(3)}`;
