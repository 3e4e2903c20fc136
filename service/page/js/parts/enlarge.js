// The same comparison over the whole window, at any scale up to 16:1.

import { h } from '../dom.js';
import { formatFixed } from '../numbers.js';
import { t } from '../strings.js';
import { renderDivider } from './divider.js';
import { renderButton } from './fields.js';

const LARGEST = 16;
const STEP = 1.25;
const MOVE = 60;

/** Open a dialog with two images of one size, given by their addresses. */
export function openComparisonDialog(names, addresses) {
  const images = addresses.map((src, place) => h('img', { src, alt: names[place], draggable: 'false' }));
  const [before, after] = images.map((image) => h('div', { class: 'layer' }, image));
  const line = renderDivider(names, (share) => stage.style.setProperty('--divider-position', share));
  const stage = h('div', { class: 'viewport', tabindex: '0', role: 'region', 'aria-label': t.compare.viewportLabel }, after, before, h('span', { class: 'divider-line' }));
  const scale = h('output', { class: 'scale' });
  const view = createViewport(stage, images, (value) => (scale.textContent = `${formatFixed(value * 100, 0)} %`));
  const close = () => dialog.close();
  const tools = h(
    'div',
    { class: 'actions' },
    renderButton(t.compare.fit, view.fit),
    renderButton(t.compare.actualSize, view.actual),
    withAriaLabel(renderButton('−', () => view.zoom(1 / STEP)), t.compare.zoomOut),
    withAriaLabel(renderButton('+', () => view.zoom(STEP)), t.compare.zoomIn),
    scale,
    renderButton(t.compare.close, close, 'primary'),
  );
  const tags = h('div', { class: 'comparison-names', 'aria-hidden': 'true' }, names.map((name) => h('span', {}, name)));
  const dialog = h(
    'dialog',
    { class: 'comparison-dialog', 'aria-label': t.compare.dialogLabel(...names), onclose: () => dialog.remove() },
    tools, tags, stage, line, h('p', { class: 'hint' }, t.compare.keyboardHint),
  );
  line.dispatchEvent(new Event('input'));
  addZoomAndPanListeners(dialog, stage, view);
  document.body.append(dialog);
  dialog.showModal();
  stage.focus();
  Promise.all(images.map((image) => image.decode().catch(() => {}))).then(view.fit);
}

function withAriaLabel(element, name) {
  element.setAttribute('aria-label', name);
  return element;
}

/** Where the images are in the stage: {fit, actual, zoom, move}. */
function createViewport(stage, images, told) {
  let [x, y, scale] = [0, 0, 1];
  const image = images[1];
  const draw = () => {
    for (const each of images) {
      each.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
      each.classList.toggle('pixelated', scale >= 2);
    }
    told(scale);
  };
  const centred = (wanted) => {
    scale = wanted;
    x = (stage.clientWidth - image.naturalWidth * scale) / 2;
    y = (stage.clientHeight - image.naturalHeight * scale) / 2;
    draw();
  };
  return {
    fit: () => centred(Math.min(stage.clientWidth / image.naturalWidth, stage.clientHeight / image.naturalHeight, LARGEST)),
    actual: () => centred(1),
    /** Zoom about a point of the stage, which stays where it is. */
    zoom(factor, [atX, atY] = [stage.clientWidth / 2, stage.clientHeight / 2]) {
      const wanted = Math.min(LARGEST, Math.max(0.05, scale * factor));
      x = atX - ((atX - x) * wanted) / scale;
      y = atY - ((atY - y) * wanted) / scale;
      scale = wanted;
      draw();
    },
    move(right, down) {
      x += right;
      y += down;
      draw();
    },
  };
}

function addZoomAndPanListeners(dialog, stage, view) {
  stage.addEventListener('wheel', (event) => {
    event.preventDefault();
    const box = stage.getBoundingClientRect();
    view.zoom(event.deltaY < 0 ? STEP : 1 / STEP, [event.clientX - box.left, event.clientY - box.top]);
  });
  stage.addEventListener('pointerdown', (event) => stage.setPointerCapture(event.pointerId));
  stage.addEventListener('pointermove', (event) => {
    if (stage.hasPointerCapture(event.pointerId)) view.move(event.movementX, event.movementY);
  });
  const keys = {
    '+': () => view.zoom(STEP), '-': () => view.zoom(1 / STEP), 1: view.actual, 0: view.fit,
  };
  const arrows = {
    ArrowLeft: [MOVE, 0], ArrowRight: [-MOVE, 0], ArrowUp: [0, MOVE], ArrowDown: [0, -MOVE],
  };
  dialog.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey) return; // the browser's own zoom
    keys[event.key]?.();
    if (event.target === stage && arrows[event.key]) {
      event.preventDefault();
      view.move(...arrows[event.key]);
    }
  });
}
