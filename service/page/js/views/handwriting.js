// Handwritten digits, generated stroke by stroke.

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

export function mount({ container, modelSelect, onModelChange, urlState }) {
  const curlSnippet = createCurlSnippet();
  const result = createAsyncResult();
  const digits = createInput({ label: t.handwriting.digits, value: '3141592653', maxlength: 64 });
  const seed = createInput({
    label: t.common.seed, type: 'number', min: 0, value: '10', placeholder: t.common.random, hint: t.handwriting.seedHint,
  });
  const bias = createSlider({
    label: t.handwriting.neatness, min: 0, max: 3, step: 0.1, value: 1, format: (value) => formatFixed(value, 1),
    onchange: () => generate(),
  });
  const prefersReducedMotion = matchMedia('(prefers-reduced-motion: reduce)').matches;
  const animate = createCheckbox({ label: t.handwriting.animate, checked: !prefersReducedMotion, onchange: () => generate() });
  const urlHolder = {};
  urlState.bindFields({ text: digits, seed, bias });

  const generate = () => {
    const params = { text: digits.value ?? '', seed: seed.value, bias: bias.value };
    urlState.set({ ...params, model: modelSelect.name, version: modelSelect.version });
    const query = { ...params, animate: animate.value || undefined, ...modelSelect.query };
    const request = { path: '/v1/handwriting', query, outputName: 'written.svg' };
    curlSnippet.show(request);
    result.run(async (signal) => {
      const { response, blob, elapsedMs } = await fetchBlob(request, signal);
      const href = replaceObjectUrl(urlHolder, blob);
      const extra = t.common.seedValue(response.headers.get('X-DeepShelf-Seed'));
      return [
        h('img', { class: 'handwriting-image', src: href, alt: t.handwriting.imageAlt(params.text) }),
        h('p', { class: 'actions' }, h('a', { class: 'button secondary', href, download: request.outputName }, t.handwriting.save)),
        renderResponseMeta({ ...readModelHeaders(response), request, elapsedMs, blob, extra }),
      ];
    });
  };
  const randomizeSeed = () => {
    seed.set(Math.floor(Math.random() * 1e6));
    generate();
  };
  const onsubmit = (event) => {
    event.preventDefault();
    generate();
  };
  const copyLinkButton = renderButton(t.common.copyLink, () => copyToClipboard(copyLinkButton, location.href));
  const actions = h(
    'div',
    { class: 'actions' },
    h('button', { class: 'button primary' }, t.handwriting.generate),
    renderButton(t.handwriting.randomSeed, randomizeSeed),
    copyLinkButton,
  );
  const form = h('form', { class: 'inline', onsubmit }, [digits, seed, bias, animate].map(({ element }) => element), actions);
  onModelChange(generate);
  generate();
  container.append(form, result.element, curlSnippet.element);
}
