// What the layers look for: their weights as pictures.

import { sendForJson } from '../api.js';
import { fill, h } from '../dom.js';
import { choice } from '../parts/fields.js';
import { problemBox } from '../parts/problem.js';
import { served } from '../parts/authenticated_image.js';
import { sameWithCurl } from '../parts/curl_snippet.js';

/** A section that asks for the layers once it is opened. */
export function filters(name, version) {
  const place = h('div', {}, h('p', { class: 'hint' }, 'Reading the weights …'));
  const open = () => layers(name, version).then((shown) => fill(place, shown), (error) => fill(place, problemBox(error)));
  const element = h('details', { class: 'filters' }, h('summary', {}, 'Filters of its layers'), place);
  element.addEventListener('toggle', open, { once: true });
  return element;
}

async function layers(name, version) {
  const path = `/v1/models/${name}/filters`;
  const { body } = await sendForJson({ path, query: { version } });
  if (!body.layers.length) return h('p', { class: 'hint' }, 'It has no layers with weights.');
  const picture = h('div', { class: 'picture' });
  const same = sameWithCurl();
  const show = (chosen) => {
    const layer = body.layers.find((one) => one.name === chosen);
    const call = { path: `${path}/${encodeURIComponent(layer.name)}.png`, query: { version }, save: 'filters.png' };
    same.show(call);
    const image = served(call, { alt: `Filters of ${layer.name}` });
    fill(picture, h('p', { class: 'hint' }, about(layer)), h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Filters' }, image));
  };
  const options = body.layers.map((layer) => ({ value: layer.name, label: `${layer.name} (${layer.operator})` }));
  show(options[0].value);
  return [
    choice({ label: 'Layer', options, onchange: show }).element,
    picture,
    h('p', { class: 'hint' }, 'White is zero, red positive, blue negative; filters over three channels are shown as colours. Dead ones have a magenta frame.'),
    same.element,
  ];
}

const about = ({ filters: count, shape, dead, largest }) =>
  `${count} filters of ${shape.slice(1).join(' × ')} weights, ${dead} of them dead; the largest weight is ${largest.toPrecision(3)}`;
