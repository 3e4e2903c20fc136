// Digits as a pen would write them.

import { answered, send } from '../api.js';
import { addressIn, h } from '../dom.js';
import { button, field, slider, tick } from '../parts/fields.js';
import { receipt } from '../parts/response_meta.js';
import { copied, sameWithCurl } from '../parts/curl_snippet.js';
import { workplace } from '../parts/async_result.js';

export const id = 'handwriting';
export const title = 'Handwriting';
export const lead = 'Type digits; the network moves a pen, stroke by stroke.';
export const task = 'handwriting';

export function open({ body, chooser, onmodel, parameters }) {
  const same = sameWithCurl();
  const answer = workplace();
  const digits = field({ label: 'Digits', value: parameters.get('text') ?? '3141592653', maxlength: 64 });
  const seed = field({ label: 'Seed', type: 'number', min: 0, value: parameters.get('seed') ?? '7', hint: 'The same seed writes the same.' });
  const bias = slider({ label: 'Neatness', min: 0, max: 3, step: 0.1, value: 1, show: (value) => value.toFixed(1), onchange: () => ask() });
  const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  const animate = tick({ label: 'Show the pen at work', checked: !still, onchange: () => ask() });
  const slot = {};

  const ask = () => {
    const query = { text: digits.value ?? '', seed: seed.value, bias: bias.value, animate: animate.value || undefined };
    const seen = { text: query.text, seed: query.seed ?? '', model: chooser.name, version: chooser.version };
    history.replaceState(null, '', `#/handwriting?${new URLSearchParams(seen)}`);
    const call = { path: '/v1/handwriting', query: { ...query, ...chooser.value }, save: 'written.svg' };
    same.show(call);
    answer.run(async (signal) => {
      const { response, blob, ms } = await send(call, signal);
      const href = addressIn(slot, blob);
      return [
        h('img', { class: 'paper', src: href, alt: `${query.text}, written by hand` }),
        h('p', { class: 'actions' }, h('a', { class: 'button quiet', href, download: call.save }, 'Save as SVG')),
        receipt({ ...answered(response), call, ms, blob, more: `seed ${response.headers.get('X-DeepShelf-Seed')}` }),
      ];
    });
  };
  const again = () => {
    seed.input.value = Math.floor(Math.random() * 1e6);
    ask();
  };
  const onsubmit = (event) => {
    event.preventDefault();
    ask();
  };
  const share = button('Copy a link to this', () => copied(share, location.href));
  const actions = h('div', { class: 'actions' }, h('button', { class: 'button main' }, 'Write'), button('Another seed', again), share);
  const form = h('form', { class: 'inline', onsubmit }, [digits, seed, bias, animate].map((one) => one.element), actions);
  onmodel(ask);
  ask();
  body.append(form, answer.element, same.element);
}
