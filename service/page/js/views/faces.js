// Generated faces: a gallery by seed, and a morph between two of them.

import { fetchJson } from '../api.js';
import { h, setChildren } from '../dom.js';
import { formatFixed } from '../numbers.js';
import { createAsyncResult } from '../parts/async_result.js';
import { copyToClipboard, createCurlSnippet } from '../parts/curl_snippet.js';
import { createInput, createSlider, renderButton } from '../parts/fields.js';
import { renderResponseMeta } from '../parts/response_meta.js';
import { t } from '../strings.js';
import { createMorph } from './morph.js';

export const id = 'faces';
export const { title, lead } = t.faces;
export const task = 'faces';

export function mount({ container, modelSelect, onModelChange, urlState }) {
  const curlSnippet = createCurlSnippet();
  const result = createAsyncResult();
  const seed = createInput({ label: t.common.seed, type: 'number', min: 0, value: 7, placeholder: t.common.random });
  const count = createSlider({ label: t.faces.count, min: 1, max: 48, step: 1, value: 18, onchange: () => generate() });
  const truncation = createSlider({
    label: t.faces.truncation, min: 0.1, max: 1, step: 0.05, value: 0.8, format: (value) => formatFixed(value, 2),
    onchange: () => generate(), hint: t.faces.truncationHint,
  });
  const fields = { seed, count, truncation };
  urlState.bindFields(fields);
  const morph = createMorph(modelSelect, truncation, () => markMorphEnds(result.element, morph.getSeeds()));

  const generate = () => {
    const query = { count: count.value, seed: seed.value, truncation: truncation.value };
    // A seed gives the same faces only with the same version, so a link names the version too.
    urlState.set({ ...query, model: modelSelect.name, version: modelSelect.version });
    const request = { path: '/v1/faces', query: { ...query, ...modelSelect.query }, headers: { Accept: 'application/json' } };
    curlSnippet.show(request);
    result.run(async (signal) => {
      const { body, elapsedMs, blob } = await fetchJson(request, signal);
      return [renderGallery(body.faces, morph), renderResponseMeta({ ...body, request, elapsedMs, blob })];
    });
  };
  const randomizeSeed = () => {
    seed.set(Math.floor(Math.random() * 1e6));
    generate();
  };
  const copyLinkButton = renderButton(t.common.copyLink, () => copyToClipboard(copyLinkButton, location.href));
  const onsubmit = (event) => {
    event.preventDefault();
    generate();
  };
  const actions = h(
    'div',
    { class: 'actions' },
    h('button', { class: 'button primary' }, t.faces.generate),
    renderButton(t.faces.randomSeed, randomizeSeed),
    copyLinkButton,
  );
  const form = h('form', { class: 'inline', onsubmit }, Object.values(fields).map(({ element }) => element), actions);
  onModelChange(generate);
  generate();
  container.append(form, result.element, curlSnippet.element, morph.element);
}

/** Render the faces as buttons that choose the ends of the morph. */
function renderGallery(faces, morph) {
  const renderFace = ({ seed, image }) => {
    const onclick = () => morph.chooseSeed(seed);
    return h(
      'li',
      {},
      h(
        'button',
        { type: 'button', title: t.faces.chooseForMorph, 'data-seed': seed, onclick },
        h('img', { alt: t.faces.faceAlt(seed), src: `data:image/png;base64,${image}` }),
        h('span', { class: 'seed', 'aria-hidden': 'true' }, seed),
        h('span', { class: 'morph-end' }),
      ),
    );
  };
  const gallery = h('ul', { class: 'gallery', 'aria-label': t.faces.galleryLabel }, faces.map(renderFace));
  markMorphEnds(gallery, morph.getSeeds());
  return gallery;
}

/** Mark the faces that are the ends of the morph. */
function markMorphEnds(container, { from, to }) {
  for (const face of container.querySelectorAll('[data-seed]')) {
    const seed = Number(face.dataset.seed);
    const ends = [seed === from && t.faces.from, seed === to && t.faces.to].filter(Boolean);
    face.setAttribute('aria-pressed', String(ends.length > 0));
    setChildren(face.querySelector('.morph-end'), ends.join(' · '));
  }
}
