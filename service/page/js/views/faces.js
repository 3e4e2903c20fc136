// Faces of nobody: a gallery by seed, and a morph between two.

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

export function open({ body, chooser, onmodel, address }) {
  const same = createCurlSnippet();
  const answer = createAsyncResult();
  const seed = createInput({ label: t.common.seed, type: 'number', min: 0, value: 7, placeholder: t.common.random });
  const count = createSlider({ label: t.faces.count, min: 1, max: 48, step: 1, value: 18, onchange: () => ask() });
  const truncation = createSlider({
    label: t.faces.truncation, min: 0.1, max: 1, step: 0.05, value: 0.8, show: (value) => formatFixed(value, 2),
    onchange: () => ask(), hint: t.faces.truncationHint,
  });
  const settings = { seed, count, truncation };
  address.keep(settings);
  const between = createMorph(chooser, truncation, () => markMorphEnds(answer.element, between.chosen()));

  const ask = () => {
    const query = { count: count.value, seed: seed.value, truncation: truncation.value };
    // A link shows the same faces to somebody else; a seed belongs to a version.
    address.remember({ ...query, model: chooser.name, version: chooser.version });
    const call = { path: '/v1/faces', query: { ...query, ...chooser.value }, headers: { Accept: 'application/json' } };
    same.show(call);
    answer.run(async (signal) => {
      const { body: told, ms, blob } = await fetchJson(call, signal);
      return [renderGallery(told.faces, between), renderResponseMeta({ ...told, call, ms, blob })];
    });
  };
  const others = () => {
    seed.set(Math.floor(Math.random() * 1e6));
    ask();
  };
  const share = renderButton(t.common.copyLink, () => copyToClipboard(share, location.href));
  const onsubmit = (event) => {
    event.preventDefault();
    ask();
  };
  const form = h(
    'form',
    { class: 'inline', onsubmit },
    Object.values(settings).map((one) => one.element),
    h('div', { class: 'actions' }, h('button', { class: 'button primary' }, t.faces.generate), renderButton(t.faces.randomSeed, others), share),
  );
  onmodel(ask);
  ask();
  body.append(form, answer.element, same.element, between.element);
}

function renderGallery(faces, between) {
  const each = ({ seed, image }) => {
    const shown = h('img', { alt: t.faces.faceAlt(seed), src: `data:image/png;base64,${image}` });
    const onclick = () => between.choose(seed);
    return h(
      'li',
      {},
      h(
        'button',
        { type: 'button', title: t.faces.chooseForMorph, 'data-seed': seed, onclick },
        shown,
        h('span', { class: 'seed', 'aria-hidden': 'true' }, seed),
        h('span', { class: 'morph-end' }),
      ),
    );
  };
  const list = h('ul', { class: 'gallery', 'aria-label': t.faces.galleryLabel }, faces.map(each));
  markMorphEnds(list, between.chosen());
  return list;
}

/** Show on the faces which of them the morph begins and ends with. */
function markMorphEnds(place, { from, to }) {
  for (const face of place.querySelectorAll('[data-seed]')) {
    const seed = Number(face.dataset.seed);
    const ends = [seed === from && t.faces.from, seed === to && t.faces.to].filter(Boolean);
    face.setAttribute('aria-pressed', String(ends.length > 0));
    setChildren(face.querySelector('.morph-end'), ends.join(' · '));
  }
}
