// Image input: drop, paste, file dialog, camera, drawing pad or a sample.

import { h, replaceObjectUrl } from '../dom.js';
import { t } from '../strings.js';
import { takePhoto } from './camera.js';
import { createDrawingPad } from './draw.js';
import { renderButton } from './fields.js';
import { fetchSampleFile } from './samples.js';

/**
 * Create an image picker, with the first sample selected: {element, close}.
 *
 * @param {object} options
 * @param {Array} options.samples see samples.js
 * @param {boolean} [options.withDrawingPad] whether to offer a pad to draw a digit on
 * @param {(file: File, source: {isOwn: boolean}) => void} options.onPick called for each image;
 *   `isOwn` marks the visitor's own files and photos, as opposed to samples and drawings
 */
export function createImagePicker({ samples, withDrawingPad = false, onPick }) {
  const preview = h('img', { alt: t.picker.chosenImage });
  const hint = matchMedia('(pointer: coarse)').matches ? t.picker.tapHint : t.picker.dropHint;
  const message = h('p', {}, hint);
  const dropZone = h('div', { class: 'drop-zone', onclick: () => input.click() }, preview, message);
  const setUnreadable = (isUnreadable) => {
    message.textContent = isUnreadable ? t.picker.unreadable : hint;
    dropZone.classList.toggle('unreadable', isUnreadable);
  };
  const drawingPad = withDrawingPad ? createDrawingPad((file) => pick(file)) : null;
  const urlHolder = {};
  let lastPickId = 0;

  const pick = (file, { sampleName = null, isOwn = false } = {}) => {
    lastPickId += 1;
    setUnreadable(false);
    preview.src = replaceObjectUrl(urlHolder, file);
    dropZone.classList.add('has-image');
    for (const thumbnail of thumbnails.children) thumbnail.setAttribute('aria-pressed', String(thumbnail.dataset.name === sampleName));
    if (drawingPad && file.name !== drawingPad.fileName) drawingPad.element.hidden = true;
    dropZone.hidden = drawingPad ? !drawingPad.element.hidden : false;
    onPick(file, { isOwn });
  };
  const pickOwn = (file) => file && pick(file, { isOwn: true });
  /** Pick a sample, unless another image is picked while the sample loads. */
  const pickSample = async (sample) => {
    const pickId = (lastPickId += 1);
    const file = await fetchSampleFile(sample);
    if (pickId === lastPickId) pick(file, { sampleName: sample.name });
  };
  const thumbnails = h(
    'div',
    { class: 'samples', role: 'group', 'aria-label': t.picker.samples },
    samples.map((sample) => renderThumbnail(sample, () => pickSample(sample))),
  );
  preview.addEventListener('error', () => setUnreadable(true));
  preview.addEventListener('load', () => dropZone.classList.toggle('low-resolution', preview.naturalWidth <= 64));

  const input = h('input', { type: 'file', accept: 'image/*', class: 'visually-hidden', tabindex: '-1', 'aria-label': t.picker.fileLabel });
  input.addEventListener('change', () => {
    pickOwn(input.files[0]);
    input.value = ''; // choosing the same file again must fire another change event
  });
  const showDrawingPad = () => {
    lastPickId += 1;
    drawingPad.element.hidden = false;
    dropZone.hidden = true;
    drawingPad.clear();
  };
  const actions = h(
    'div',
    { class: 'actions' },
    renderButton(t.picker.chooseImage, () => input.click(), 'primary'),
    renderButton(t.picker.camera, async () => pickOwn(await takePhoto())),
    drawingPad && renderButton(t.picker.draw, showDrawingPad),
    input,
  );
  const element = h('div', { class: 'image-picker' }, dropZone, drawingPad?.element, actions, thumbnails);
  const close = addDropAndPasteListeners(element, dropZone, pickOwn);
  pickSample(samples[0]);
  return { element, close };
}

const renderThumbnail = (sample, onclick) =>
  h(
    'button',
    { type: 'button', 'data-name': sample.name, 'aria-pressed': 'false', title: sample.label, onclick },
    h('img', { src: sample.url, alt: sample.label }),
  );

/** Listen to drops on the picker and to pastes anywhere on the page. Returns a function to stop. */
function addDropAndPasteListeners(element, dropZone, onFile) {
  const controller = new AbortController();
  const on = (target, eventType, listener) => target.addEventListener(eventType, listener, { signal: controller.signal });
  const getFirstFile = (dataTransfer) => [...(dataTransfer?.files ?? [])].find((file) => file.size);
  on(element, 'dragover', (event) => {
    event.preventDefault();
    dropZone.classList.add('drag-over');
  });
  on(element, 'dragleave', () => dropZone.classList.remove('drag-over'));
  on(element, 'drop', (event) => {
    event.preventDefault();
    dropZone.classList.remove('drag-over');
    onFile(getFirstFile(event.dataTransfer));
  });
  on(document, 'paste', (event) => {
    if (!element.isConnected) controller.abort(); // the view was closed
    else onFile(getFirstFile(event.clipboardData));
  });
  return () => controller.abort();
}
