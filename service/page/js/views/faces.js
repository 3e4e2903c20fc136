// Faces of nobody: a gallery by seed, and a morph between two.

import { sendForJson } from '../api.js';
import { fill, h } from '../dom.js';
import { fixed } from '../numbers.js';
import { workplace } from '../parts/async_result.js';
import { copied, sameWithCurl } from '../parts/curl_snippet.js';
import { button, field, slider } from '../parts/fields.js';
import { receipt } from '../parts/response_meta.js';
import { t } from '../strings.js';
import { morph } from './morph.js';

export const id = 'faces';
export const { title, lead } = t.faces;
export const task = 'faces';

export function open({ body, chooser, onmodel, address }) {
  const same = sameWithCurl();
  const answer = workplace();
  const seed = field({ label: t.common.seed, type: 'number', min: 0, value: 7, placeholder: t.common.random });
  const count = slider({ label: t.faces.count, min: 1, max: 48, step: 1, value: 18, onchange: () => ask() });
  const truncation = slider({
    label: t.faces.truncation, min: 0.1, max: 1, step: 0.05, value: 0.8, show: (value) => fixed(value, 2),
    onchange: () => ask(), hint: t.faces.truncationHint,
  });
  const settings = { seed, count, truncation };
  address.keep(settings);
  const between = morph(chooser, truncation, () => markChosen(answer.element, between.chosen()));

  const ask = () => {
    const query = { count: count.value, seed: seed.value, truncation: truncation.value };
    // A link shows the same faces to somebody else; a seed belongs to a version.
    address.remember({ ...query, model: chooser.name, version: chooser.version });
    const call = { path: '/v1/faces', query: { ...query, ...chooser.value }, headers: { Accept: 'application/json' } };
    same.show(call);
    answer.run(async (signal) => {
      const { body: told, ms, blob } = await sendForJson(call, signal);
      return [gallery(told.faces, between), receipt({ ...told, call, ms, blob })];
    });
  };
  const others = () => {
    seed.set(Math.floor(Math.random() * 1e6));
    ask();
  };
  const share = button(t.common.copyLink, () => copied(share, location.href));
  const onsubmit = (event) => {
    event.preventDefault();
    ask();
  };
  const form = h(
    'form',
    { class: 'inline', onsubmit },
    Object.values(settings).map((one) => one.element),
    h('div', { class: 'actions' }, h('button', { class: 'button main' }, t.faces.make), button(t.faces.others, others), share),
  );
  onmodel(ask);
  ask();
  body.append(form, answer.element, same.element, between.element);
}

function gallery(faces, between) {
  const each = ({ seed, image }) => {
    const shown = h('img', { alt: t.faces.face(seed), src: `data:image/png;base64,${image}` });
    const onclick = () => between.choose(seed);
    return h(
      'li',
      {},
      h(
        'button',
        { type: 'button', title: t.faces.choose, 'data-seed': seed, onclick },
        shown,
        h('span', { class: 'seed', 'aria-hidden': 'true' }, seed),
        h('span', { class: 'end' }),
      ),
    );
  };
  const list = h('ul', { class: 'gallery', 'aria-label': t.faces.gallery }, faces.map(each));
  markChosen(list, between.chosen());
  return list;
}

/** Show on the faces which of them the morph begins and ends with. */
function markChosen(place, { from, to }) {
  for (const face of place.querySelectorAll('[data-seed]')) {
    const seed = Number(face.dataset.seed);
    const ends = [seed === from && t.faces.from, seed === to && t.faces.to].filter(Boolean);
    face.setAttribute('aria-pressed', String(ends.length > 0));
    fill(face.querySelector('.end'), ends.join(' · '));
  }
}
