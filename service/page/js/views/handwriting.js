// Digits as a pen would write them.

import { answered, send } from '../api.js';
import { addressIn, h } from '../dom.js';
import { fixed } from '../numbers.js';
import { workplace } from '../parts/async_result.js';
import { copied, sameWithCurl } from '../parts/curl_snippet.js';
import { button, field, slider, tick } from '../parts/fields.js';
import { receipt } from '../parts/response_meta.js';
import { t } from '../strings.js';

export const id = 'handwriting';
export const { title, tab, lead } = t.handwriting;
export const task = 'handwriting';

export function open({ body, chooser, onmodel, address }) {
  const same = sameWithCurl();
  const answer = workplace();
  const digits = field({ label: t.handwriting.digits, value: '3141592653', maxlength: 64 });
  const seed = field({ label: t.common.seed, type: 'number', min: 0, value: '10', placeholder: t.common.random, hint: t.handwriting.seedHint });
  const bias = slider({ label: t.handwriting.neatness, min: 0, max: 3, step: 0.1, value: 1, show: (value) => fixed(value, 1), onchange: () => ask() });
  const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  const animate = tick({ label: t.handwriting.animate, checked: !still, onchange: () => ask() });
  const slot = {};
  address.keep({ text: digits, seed, bias });

  const ask = () => {
    const drawn = { text: digits.value ?? '', seed: seed.value, bias: bias.value };
    address.remember({ ...drawn, model: chooser.name, version: chooser.version });
    const query = { ...drawn, animate: animate.value || undefined, ...chooser.value };
    const call = { path: '/v1/handwriting', query, save: 'written.svg' };
    same.show(call);
    answer.run(async (signal) => {
      const { response, blob, ms } = await send(call, signal);
      const href = addressIn(slot, blob);
      return [
        h('img', { class: 'paper', src: href, alt: t.handwriting.written(drawn.text) }),
        h('p', { class: 'actions' }, h('a', { class: 'button quiet', href, download: call.save }, t.handwriting.save)),
        receipt({ ...answered(response), call, ms, blob, more: t.common.seedOf(response.headers.get('X-DeepShelf-Seed')) }),
      ];
    });
  };
  const again = () => {
    seed.set(Math.floor(Math.random() * 1e6));
    ask();
  };
  const onsubmit = (event) => {
    event.preventDefault();
    ask();
  };
  const share = button(t.common.copyLink, () => copied(share, location.href));
  const actions = h('div', { class: 'actions' }, h('button', { class: 'button main' }, t.handwriting.write), button(t.handwriting.another, again), share);
  const form = h('form', { class: 'inline', onsubmit }, [digits, seed, bias, animate].map((one) => one.element), actions);
  onmodel(ask);
  ask();
  body.append(form, answer.element, same.element);
}
