// Full-window comparison of two images, with zoom (up to 16:1) and pan.

import { h } from '../dom.js';
import { formatFixed } from '../numbers.js';
import { t } from '../strings.js';
import { renderDivider } from './divider.js';
import { renderButton } from './fields.js';

const MIN_SCALE = 0.05;
const MAX_SCALE = 16;
const ZOOM_STEP = 1.25;
const PAN_STEP = 60;

/** Open a dialog that compares two images of equal size, given by their URLs. */
export function openComparisonDialog(names, urls) {
  const images = urls.map((src, index) => h('img', { src, alt: names[index], draggable: 'false' }));
  const [before, after] = images.map((image) => h('div', { class: 'layer' }, image));
  const divider = renderDivider(names, (position) => viewport.style.setProperty('--divider-position', position));
  const viewport = h(
    'div',
    { class: 'viewport', tabindex: '0', role: 'region', 'aria-label': t.compare.viewportLabel },
    after, before, h('span', { class: 'divider-line' }),
  );
  const scaleOutput = h('output', { class: 'scale' });
  const controls = createZoomControls(viewport, images, (scale) => (scaleOutput.textContent = `${formatFixed(scale * 100, 0)} %`));
  const toolbar = h(
    'div',
    { class: 'actions' },
    renderButton(t.compare.fit, controls.fit),
    renderButton(t.compare.actualSize, controls.showActualSize),
    withAriaLabel(renderButton('−', () => controls.zoom(1 / ZOOM_STEP)), t.compare.zoomOut),
    withAriaLabel(renderButton('+', () => controls.zoom(ZOOM_STEP)), t.compare.zoomIn),
    scaleOutput,
    renderButton(t.compare.close, () => dialog.close(), 'primary'),
  );
  const captions = h('div', { class: 'comparison-names', 'aria-hidden': 'true' }, names.map((name) => h('span', {}, name)));
  const dialog = h(
    'dialog',
    { class: 'comparison-dialog', 'aria-label': t.compare.dialogLabel(...names), onclose: () => dialog.remove() },
    toolbar, captions, viewport, divider, h('p', { class: 'hint' }, t.compare.keyboardHint),
  );
  divider.dispatchEvent(new Event('input'));
  addZoomAndPanListeners(dialog, viewport, controls);
  document.body.append(dialog);
  dialog.showModal();
  viewport.focus();
  Promise.all(images.map((image) => image.decode().catch(() => {}))).then(controls.fit);
}

function withAriaLabel(element, label) {
  element.setAttribute('aria-label', label);
  return element;
}

/** Create the position and scale of the images in the viewport: {fit, showActualSize, zoom, pan}. */
function createZoomControls(viewport, images, onScaleChange) {
  let [x, y, scale] = [0, 0, 1];
  const [, image] = images; // the result; the other image has the same size or fails to load
  const update = () => {
    for (const each of images) {
      each.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
      each.classList.toggle('pixelated', scale >= 2);
    }
    onScaleChange(scale);
  };
  const centerAtScale = (newScale) => {
    scale = newScale;
    x = (viewport.clientWidth - image.naturalWidth * scale) / 2;
    y = (viewport.clientHeight - image.naturalHeight * scale) / 2;
    update();
  };
  return {
    fit: () => centerAtScale(Math.min(viewport.clientWidth / image.naturalWidth, viewport.clientHeight / image.naturalHeight, MAX_SCALE)),
    showActualSize: () => centerAtScale(1),
    /** Zoom around a point of the viewport (default: its centre), which stays in place. */
    zoom(factor, [pointX, pointY] = [viewport.clientWidth / 2, viewport.clientHeight / 2]) {
      const newScale = Math.min(MAX_SCALE, Math.max(MIN_SCALE, scale * factor));
      x = pointX - ((pointX - x) * newScale) / scale;
      y = pointY - ((pointY - y) * newScale) / scale;
      scale = newScale;
      update();
    },
    pan(dx, dy) {
      x += dx;
      y += dy;
      update();
    },
  };
}

function addZoomAndPanListeners(dialog, viewport, controls) {
  viewport.addEventListener('wheel', (event) => {
    event.preventDefault();
    const box = viewport.getBoundingClientRect();
    controls.zoom(event.deltaY < 0 ? ZOOM_STEP : 1 / ZOOM_STEP, [event.clientX - box.left, event.clientY - box.top]);
  });
  viewport.addEventListener('pointerdown', (event) => viewport.setPointerCapture(event.pointerId));
  viewport.addEventListener('pointermove', (event) => {
    if (viewport.hasPointerCapture(event.pointerId)) controls.pan(event.movementX, event.movementY);
  });
  const shortcuts = {
    '+': () => controls.zoom(ZOOM_STEP), '-': () => controls.zoom(1 / ZOOM_STEP), 1: controls.showActualSize, 0: controls.fit,
  };
  const arrowKeys = {
    ArrowLeft: [PAN_STEP, 0], ArrowRight: [-PAN_STEP, 0], ArrowUp: [0, PAN_STEP], ArrowDown: [0, -PAN_STEP],
  };
  dialog.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey) return; // leave the browser's own zoom alone
    shortcuts[event.key]?.();
    if (event.target === viewport && arrowKeys[event.key]) {
      event.preventDefault();
      controls.pan(...arrowKeys[event.key]);
    }
  });
}
