// A morph from one generated face to another.

import { fetchBlob, readModelHeaders } from '../api.js';
import { h, replaceObjectUrl } from '../dom.js';
import { createAsyncResult } from '../parts/async_result.js';
import { createCurlSnippet } from '../parts/curl_snippet.js';
import { createInput, createSlider } from '../parts/fields.js';
import { renderResponseMeta } from '../parts/response_meta.js';
import { t } from '../strings.js';

/**
 * Create the morph section: {element, chooseSeed, getSeeds}.
 *
 * `chooseSeed(seed)` sets the two ends in turn. `onSeedsChange` is called when an end changes.
 */
export function createMorph(modelSelect, truncation, onSeedsChange) {
  const curlSnippet = createCurlSnippet();
  const result = createAsyncResult(t.faces.morphHint);
  const createSeedInput = (label) =>
    createInput({ label, type: 'number', min: 0, placeholder: t.common.seed, required: true, oninput: onSeedsChange });
  const [from, to] = [createSeedInput(t.faces.from), createSeedInput(t.faces.to)];
  const steps = createSlider({ label: t.faces.steps, min: 2, max: 48, step: 1, value: 24 });
  const urlHolder = {};
  let nextInput = from;

  const generate = () => {
    const request = {
      path: '/v1/faces/morph',
      query: { from: from.value, to: to.value, steps: steps.value, truncation: truncation.value, ...modelSelect.query },
      headers: { Accept: 'image/webp' },
      outputName: 'morph.webp',
    };
    curlSnippet.show(request);
    result.run(async (signal) => {
      const { response, blob, elapsedMs } = await fetchBlob(request, signal);
      const href = replaceObjectUrl(urlHolder, blob);
      return [
        h('img', { class: 'morph', src: href, alt: t.faces.morphAlt(from.value, to.value) }),
        h('p', { class: 'actions' }, h('a', { class: 'button secondary', href, download: request.outputName }, t.faces.save)),
        renderResponseMeta({ ...readModelHeaders(response), request, elapsedMs, blob }),
      ];
    });
  };
  const chooseSeed = (seed) => {
    nextInput.set(seed);
    nextInput = nextInput === from ? to : from;
    onSeedsChange();
    if (from.value !== undefined && to.value !== undefined) generate();
  };
  const onsubmit = (event) => {
    event.preventDefault();
    generate();
  };
  const actions = h('div', { class: 'actions' }, h('button', { class: 'button primary' }, t.faces.morph));
  const form = h('form', { class: 'inline', onsubmit }, from.element, to.element, steps.element, actions);
  const element = h('section', { class: 'subsection' }, h('h2', {}, t.faces.morphTitle), form, result.element, curlSnippet.element);
  return { element, chooseSeed, getSeeds: () => ({ from: from.value, to: to.value }) };
}
