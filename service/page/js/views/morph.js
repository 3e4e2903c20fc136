// From one face to another, in small steps.

import { fetchBlob, readModelHeaders } from '../api.js';
import { h, replaceObjectUrl } from '../dom.js';
import { createAsyncResult } from '../parts/async_result.js';
import { createCurlSnippet } from '../parts/curl_snippet.js';
import { createInput, createSlider } from '../parts/fields.js';
import { renderResponseMeta } from '../parts/response_meta.js';
import { t } from '../strings.js';

/**
 * {element, choose(seed), chosen()}: faces chosen in turn are the two ends. `onchosen` is called
 * when an end changes.
 */
export function createMorph(chooser, truncation, onchosen) {
  const same = createCurlSnippet();
  const answer = createAsyncResult(t.faces.morphHint);
  const end = (label) => createInput({ label, type: 'number', min: 0, placeholder: t.common.seed, required: true, oninput: onchosen });
  const [from, to] = [end(t.faces.from), end(t.faces.to)];
  const steps = createSlider({ label: t.faces.steps, min: 2, max: 48, step: 1, value: 24 });
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
      const { response, blob, ms } = await fetchBlob(call, signal);
      const href = replaceObjectUrl(slot, blob);
      return [
        h('img', { class: 'morph', src: href, alt: t.faces.morphAlt(from.value, to.value) }),
        h('p', { class: 'actions' }, h('a', { class: 'button secondary', href, download: call.save }, t.faces.save)),
        renderResponseMeta({ ...readModelHeaders(response), call, ms, blob }),
      ];
    });
  };
  const choose = (seed) => {
    next.set(seed);
    next = next === from ? to : from;
    onchosen();
    if (from.value !== undefined && to.value !== undefined) ask();
  };
  const onsubmit = (event) => {
    event.preventDefault();
    ask();
  };
  const form = h('form', { class: 'inline', onsubmit }, from.element, to.element, steps.element, h('div', { class: 'actions' }, h('button', { class: 'button primary' }, t.faces.morph)));
  const element = h('section', { class: 'subsection' }, h('h2', {}, t.faces.morphTitle), form, answer.element, same.element);
  return { element, choose, chosen: () => ({ from: from.value, to: to.value }) };
}
