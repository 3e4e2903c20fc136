// Digits as a pen would write them.

import { fetchBlob, readModelHeaders } from '../api.js';
import { h, replaceObjectUrl } from '../dom.js';
import { formatFixed } from '../numbers.js';
import { createAsyncResult } from '../parts/async_result.js';
import { copyToClipboard, createCurlSnippet } from '../parts/curl_snippet.js';
import { createCheckbox, createInput, createSlider, renderButton } from '../parts/fields.js';
import { renderResponseMeta } from '../parts/response_meta.js';
import { t } from '../strings.js';

export const id = 'handwriting';
export const { title, tab, lead } = t.handwriting;
export const task = 'handwriting';

export function open({ body, chooser, onmodel, address }) {
  const same = createCurlSnippet();
  const answer = createAsyncResult();
  const digits = createInput({ label: t.handwriting.digits, value: '3141592653', maxlength: 64 });
  const seed = createInput({ label: t.common.seed, type: 'number', min: 0, value: '10', placeholder: t.common.random, hint: t.handwriting.seedHint });
  const bias = createSlider({ label: t.handwriting.neatness, min: 0, max: 3, step: 0.1, value: 1, show: (value) => formatFixed(value, 1), onchange: () => ask() });
  const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  const animate = createCheckbox({ label: t.handwriting.animate, checked: !still, onchange: () => ask() });
  const slot = {};
  address.keep({ text: digits, seed, bias });

  const ask = () => {
    const drawn = { text: digits.value ?? '', seed: seed.value, bias: bias.value };
    address.remember({ ...drawn, model: chooser.name, version: chooser.version });
    const query = { ...drawn, animate: animate.value || undefined, ...chooser.value };
    const call = { path: '/v1/handwriting', query, save: 'written.svg' };
    same.show(call);
    answer.run(async (signal) => {
      const { response, blob, ms } = await fetchBlob(call, signal);
      const href = replaceObjectUrl(slot, blob);
      return [
        h('img', { class: 'handwriting-image', src: href, alt: t.handwriting.imageAlt(drawn.text) }),
        h('p', { class: 'actions' }, h('a', { class: 'button secondary', href, download: call.save }, t.handwriting.save)),
        renderResponseMeta({ ...readModelHeaders(response), call, ms, blob, more: t.common.seedValue(response.headers.get('X-DeepShelf-Seed')) }),
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
  const share = renderButton(t.common.copyLink, () => copyToClipboard(share, location.href));
  const actions = h('div', { class: 'actions' }, h('button', { class: 'button primary' }, t.handwriting.generate), renderButton(t.handwriting.randomSeed, again), share);
  const form = h('form', { class: 'inline', onsubmit }, [digits, seed, bias, animate].map((one) => one.element), actions);
  onmodel(ask);
  ask();
  body.append(form, answer.element, same.element);
}
