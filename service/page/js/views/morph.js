// From one face to another, in small steps.

import { answered, send } from '../api.js';
import { addressIn, h } from '../dom.js';
import { field, slider } from '../parts/fields.js';
import { receipt } from '../parts/response_meta.js';
import { sameWithCurl } from '../parts/curl_snippet.js';
import { workplace } from '../parts/async_result.js';

/** {element, choose(face)}: faces chosen in turn are the two ends. */
export function morph(chooser, truncation) {
  const same = sameWithCurl();
  const answer = workplace('Click two faces above, or type two seeds.');
  const from = field({ label: 'From', type: 'number', min: 0, placeholder: 'seed', required: true });
  const to = field({ label: 'To', type: 'number', min: 0, placeholder: 'seed', required: true });
  const steps = slider({ label: 'Steps', min: 2, max: 48, step: 1, value: 24 });
  const slot = {};
  let next = from;

  const ask = () => {
    const call = {
      path: '/v1/faces/morph',
      query: { from: from.value, to: to.value, steps: steps.value, truncation: truncation.value, ...chooser.value },
      headers: { Accept: 'image/webp' },
      save: 'morph.webp',
    };
    same.show(call);
    answer.run(async (signal) => {
      const { response, blob, ms } = await send(call, signal);
      const href = addressIn(slot, blob);
      return [
        h('img', { class: 'morph', src: href, alt: `A face that changes from ${from.value} to ${to.value}` }),
        h('p', { class: 'actions' }, h('a', { class: 'button quiet', href, download: call.save }, 'Save it')),
        receipt({ ...answered(response), call, ms, blob }),
      ];
    });
  };
  const choose = (face) => {
    next.input.value = face.seed;
    next = next === from ? to : from;
    if (from.value !== undefined && to.value !== undefined) ask();
  };
  const onsubmit = (event) => {
    event.preventDefault();
    ask();
  };
  const form = h('form', { class: 'inline', onsubmit }, from.element, to.element, steps.element, h('div', { class: 'actions' }, h('button', { class: 'button main' }, 'Morph')));
  const element = h('section', { class: 'part' }, h('h2', {}, 'From one face to another'), form, answer.element, same.element);
  return { element, choose };
}
