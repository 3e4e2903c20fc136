// Digits as a pen would write them.

import { answered, send } from '../api.js';
import { addressIn, h } from '../dom.js';
import { button, field } from '../parts/fields.js';
import { receipt } from '../parts/receipt.js';
import { sameWithCurl } from '../parts/same.js';
import { workplace } from '../parts/work.js';

export const id = 'handwriting';
export const title = 'Handwriting';
export const lead = 'Type digits; the network moves a pen.';
export const task = 'handwriting';

export function open({ body, chooser, onmodel, parameters }) {
  const same = sameWithCurl();
  const answer = workplace();
  const digits = field({ label: 'Digits', value: parameters.get('text') ?? '31415926', inputmode: 'numeric', maxlength: 40 });
  const seed = field({ label: 'Seed', type: 'number', min: 0, value: parameters.get('seed') ?? '7', hint: 'The same seed writes the same.' });
  const slot = {};

  const ask = () => {
    const call = {
      path: '/v1/handwriting',
      json: { text: digits.value ?? '', seed: seed.value, ...chooser.value },
      headers: { Accept: 'image/svg+xml' },
      save: 'written.svg',
    };
    same.show(call);
    answer.run(async (signal) => {
      const { response, blob, ms } = await send(call, signal);
      const href = addressIn(slot, blob);
      return [
        h('img', { class: 'paper', src: href, alt: `${digits.value} in handwriting` }),
        h('p', { class: 'actions' }, h('a', { class: 'button quiet', href, download: call.save }, 'Save as SVG')),
        receipt({ ...answered(response), call, ms, blob }),
      ];
    });
  };
  const again = () => {
    seed.input.value = Math.floor(Math.random() * 1e6);
    ask();
  };
  const form = h(
    'form',
    {
      class: 'inline',
      onsubmit: (event) => {
        event.preventDefault();
        ask();
      },
    },
    digits.element,
    seed.element,
    h('div', { class: 'actions' }, h('button', { class: 'button main' }, 'Write'), button('Another hand', again)),
  );
  onmodel(ask);
  ask();
  body.append(form, answer.element, same.element);
}
