// Where a picture comes from: dropped, pasted, chosen, photographed, drawn, or a sample.

import { addressIn, h } from '../dom.js';
import { photograph } from './camera.js';
import { drawingPad } from './draw.js';
import { button } from './fields.js';
import { fileOf } from './samples.js';

/**
 * {element, close}. `onpick(file)` is called for each picture; the first sample at once, so that
 * there is something to see. `draw` offers a pad for digits.
 */
export function picturePicker({ samples, draw = false, onpick }) {
  const shown = h('img', { alt: 'The picture that was chosen' });
  const words = h('p', {}, 'Drop a picture here, or paste one');
  const place = h('div', { class: 'drop' }, shown, words);
  const show = (broken) => {
    words.textContent = broken ?? 'Drop a picture here, or paste one';
    place.classList.toggle('broken', Boolean(broken));
  };
  const pad = draw ? drawingPad((file) => use(file)) : null;
  const slot = {};

  let picks = 0;

  const use = (file, sample = null) => {
    picks += 1;
    show();
    shown.src = addressIn(slot, file);
    place.classList.add('filled');
    for (const each of strip.children) each.setAttribute('aria-pressed', String(each.dataset.name === sample));
    if (pad && file.name !== pad.name) pad.element.hidden = true;
    place.hidden = pad ? !pad.element.hidden : false;
    onpick(file);
  };
  /** A sample, unless something else was picked while it came. */
  const take = async (sample) => {
    const mine = (picks += 1);
    const file = await fileOf(sample);
    if (mine === picks) use(file, sample.name);
  };
  const strip = h('div', { class: 'samples', role: 'group', 'aria-label': 'Samples' }, samples.map(thumbnail(take)));
  shown.addEventListener('error', () => show('This browser cannot show it'));
  shown.addEventListener('load', () => place.classList.toggle('tiny', shown.naturalWidth <= 64));

  const input = h('input', { type: 'file', accept: 'image/*', class: 'unseen', tabindex: '-1', 'aria-label': 'A picture' });
  input.addEventListener('change', () => input.files[0] && use(input.files[0]));
  const showPad = () => {
    picks += 1;
    pad.element.hidden = false;
    place.hidden = true;
    pad.clear();
  };
  const actions = h(
    'div',
    { class: 'actions' },
    button('Choose a picture', () => input.click(), 'main'),
    button('Camera', async () => {
      const file = await photograph();
      if (file) use(file);
    }),
    pad && button('Draw', showPad),
    input,
  );
  const element = h('div', { class: 'picker' }, place, pad?.element, actions, strip);
  const close = listen(element, place, use);
  take(samples[0]);
  return { element, close };
}

const thumbnail = (take) => (sample) =>
  h(
    'button',
    { type: 'button', 'data-name': sample.name, 'aria-pressed': 'false', title: sample.label, onclick: () => take(sample) },
    h('img', { src: sample.url, alt: sample.label }),
  );

/** Drops on the picker and pastes anywhere; returns how to stop. */
function listen(element, place, use) {
  const stop = new AbortController();
  const on = (target, kind, action) => target.addEventListener(kind, action, { signal: stop.signal });
  const first = (transfer) => [...(transfer?.files ?? [])].find((file) => file.size);
  on(element, 'dragover', (event) => {
    event.preventDefault();
    place.classList.add('over');
  });
  on(element, 'dragleave', () => place.classList.remove('over'));
  on(element, 'drop', (event) => {
    event.preventDefault();
    place.classList.remove('over');
    if (first(event.dataTransfer)) use(first(event.dataTransfer));
  });
  on(document, 'paste', (event) => {
    if (!element.isConnected) return stop.abort(); // its view was left
    if (first(event.clipboardData)) use(first(event.clipboardData));
    return undefined;
  });
  return () => stop.abort();
}

