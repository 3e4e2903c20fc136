// Where an image comes from: dropped, pasted, chosen, photographed, drawn, or a sample.

import { h, replaceObjectUrl } from '../dom.js';
import { t } from '../strings.js';
import { takePhoto } from './camera.js';
import { createDrawingPad } from './draw.js';
import { renderButton } from './fields.js';
import { fetchSampleFile } from './samples.js';

/**
 * {element, close}. `onpick(file, {own})` is called for each image, with `own` for the visitor's
 * own photos; the first sample is picked at once, so that there is something to see. `draw` offers a
 * pad for digits.
 */
export function createImagePicker({ samples, draw = false, onpick }) {
  const shown = h('img', { alt: t.picker.chosenImage });
  const hint = matchMedia('(pointer: coarse)').matches ? t.picker.tapHint : t.picker.dropHint;
  const words = h('p', {}, hint);
  const place = h('div', { class: 'drop-zone', onclick: () => input.click() }, shown, words);
  const show = (broken) => {
    words.textContent = broken ? t.picker.unreadable : hint;
    place.classList.toggle('unreadable', broken);
  };
  const pad = draw ? createDrawingPad((file) => use(file)) : null;
  const slot = {};

  let picks = 0;

  const use = (file, { sample = null, own = false } = {}) => {
    picks += 1;
    show(false);
    shown.src = replaceObjectUrl(slot, file);
    place.classList.add('has-image');
    for (const each of strip.children) each.setAttribute('aria-pressed', String(each.dataset.name === sample));
    if (pad && file.name !== pad.name) pad.element.hidden = true;
    place.hidden = pad ? !pad.element.hidden : false;
    onpick(file, { own });
  };
  const useOwn = (file) => file && use(file, { own: true });
  /** A sample, unless something else was picked while it loaded. */
  const take = async (sample) => {
    const mine = (picks += 1);
    const file = await fetchSampleFile(sample);
    if (mine === picks) use(file, { sample: sample.name });
  };
  const strip = h('div', { class: 'samples', role: 'group', 'aria-label': t.picker.samples }, samples.map(createThumbnailRenderer(take)));
  shown.addEventListener('error', () => show(true));
  shown.addEventListener('load', () => place.classList.toggle('low-resolution', shown.naturalWidth <= 64));

  const input = h('input', { type: 'file', accept: 'image/*', class: 'visually-hidden', tabindex: '-1', 'aria-label': t.picker.fileLabel });
  input.addEventListener('change', () => {
    useOwn(input.files[0]);
    input.value = ''; // the same file can be chosen again
  });
  const showPad = () => {
    picks += 1;
    pad.element.hidden = false;
    place.hidden = true;
    pad.clear();
  };
  const actions = h(
    'div',
    { class: 'actions' },
    renderButton(t.picker.chooseImage, () => input.click(), 'primary'),
    renderButton(t.picker.camera, async () => useOwn(await takePhoto())),
    pad && renderButton(t.picker.draw, showPad),
    input,
  );
  const element = h('div', { class: 'image-picker' }, place, pad?.element, actions, strip);
  const close = addDropAndPasteListeners(element, place, useOwn);
  take(samples[0]);
  return { element, close };
}

const createThumbnailRenderer = (take) => (sample) =>
  h(
    'button',
    { type: 'button', 'data-name': sample.name, 'aria-pressed': 'false', title: sample.label, onclick: () => take(sample) },
    h('img', { src: sample.url, alt: sample.label }),
  );

/** Drops on the picker and pastes anywhere; returns how to stop. */
function addDropAndPasteListeners(element, place, use) {
  const stop = new AbortController();
  const on = (target, kind, action) => target.addEventListener(kind, action, { signal: stop.signal });
  const first = (transfer) => [...(transfer?.files ?? [])].find((file) => file.size);
  on(element, 'dragover', (event) => {
    event.preventDefault();
    place.classList.add('drag-over');
  });
  on(element, 'dragleave', () => place.classList.remove('drag-over'));
  on(element, 'drop', (event) => {
    event.preventDefault();
    place.classList.remove('drag-over');
    use(first(event.dataTransfer));
  });
  on(document, 'paste', (event) => {
    if (!element.isConnected) stop.abort(); // its view was left
    else use(first(event.clipboardData));
  });
  return () => stop.abort();
}
