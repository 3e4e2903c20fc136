// Faces of nobody: a gallery by seed, a morph between two, and a question.

import { sendForJson } from '../api.js';
import { fill, h } from '../dom.js';
import { button, field, slider } from '../parts/fields.js';
import { receipt } from '../parts/response_meta.js';
import { copied, sameWithCurl } from '../parts/curl_snippet.js';
import { workplace } from '../parts/async_result.js';
import { game } from './game.js';
import { morph } from './morph.js';

export const id = 'faces';
export const title = 'Faces';
export const lead = 'Nobody looks like this: a generator made these out of random numbers. One seed, one face.';
export const task = 'faces';

export function open({ body, chooser, onmodel, models, parameters }) {
  const same = sameWithCurl();
  const answer = workplace();
  const number = (name, otherwise) => Number(parameters.get(name) ?? otherwise);
  const seed = field({ label: 'Seed', type: 'number', min: 0, value: number('seed', 7) });
  const count = slider({ label: 'Faces', min: 1, max: 48, step: 1, value: number('count', 18), onchange: () => ask() });
  const truncation = slider({
    label: 'Truncation', min: 0.1, max: 1, step: 0.05, value: number('truncation', 0.8), show: (value) => value.toFixed(2),
    onchange: () => ask(), hint: 'Small: alike and safe. Large: different and daring.',
  });
  const between = morph(chooser, truncation);

  const ask = () => {
    const query = { count: count.value, seed: seed.value, truncation: truncation.value };
    remember({ ...query, model: chooser.name, version: chooser.version });
    const call = { path: '/v1/faces', query: { ...query, ...chooser.value }, headers: { Accept: 'application/json' } };
    same.show(call);
    answer.run(async (signal) => {
      const { body: told, ms, blob } = await sendForJson(call, signal);
      return [gallery(told.faces, between.choose), receipt({ ...told, call, ms, blob })];
    });
  };
  const others = () => {
    seed.input.value = Math.floor(Math.random() * 1e6);
    ask();
  };
  const share = button('Copy a link to these', () => copied(share, location.href));
  const form = h(
    'form',
    {
      class: 'inline',
      onsubmit: (event) => {
        event.preventDefault();
        ask();
      },
    },
    seed.element,
    count.element,
    truncation.element,
    h('div', { class: 'actions' }, h('button', { class: 'button main' }, 'Make faces'), button('Others', others), share),
  );
  onmodel(ask);
  ask();
  body.append(form, answer.element, same.element, between.element, game(models, chooser.name));
}

/** The address names what is seen, so that it can be sent to somebody; a seed belongs to a version. */
const remember = (query) => history.replaceState(null, '', `#/faces?${new URLSearchParams(query)}`);

function gallery(faces, choose) {
  const each = (face) => {
    const image = h('img', { alt: `Face ${face.seed}`, src: `data:image/png;base64,${face.image}` });
    const onclick = () => choose(face);
    return h('li', {}, h('button', { type: 'button', title: 'Morph from or to this face', onclick }, image, h('span', { 'aria-hidden': 'true' }, face.seed)));
  };
  return fill(h('ul', { class: 'gallery', 'aria-label': 'Faces' }), faces.map(each));
}
