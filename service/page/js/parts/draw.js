// A pad to write a digit on: white on black, 28 × 28 at the end, as the digits of MNIST are.

import { h } from '../dom.js';
import { createCanvas, encodePngFile, resizeToFit } from '../pixels/canvas.js';
import { t } from '../strings.js';
import { renderButton } from './fields.js';

const SIDE = 28;
const ENLARGED = 12;
const PEN = 2.4 * ENLARGED;

/** {element, name, clear}. `onchange(file)` is called after each stroke. */
export function createDrawingPad(onchange) {
  const name = 'drawing.png';
  const canvas = createCanvas(SIDE * ENLARGED, SIDE * ENLARGED);
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', t.picker.drawingPad);
  const context = canvas.getContext('2d');
  const clear = () => {
    context.fillStyle = '#000';
    context.fillRect(0, 0, canvas.width, canvas.height);
  };
  clear();
  trackStrokes(canvas, context, async () => {
    const small = resizeToFit(canvas, { width: SIDE, height: SIDE, resize: 'stretch' });
    onchange(await encodePngFile(small, name));
  });
  const hint = h('p', {}, t.picker.drawHint);
  const element = h('div', { class: 'drawing-pad', hidden: true }, canvas, hint, renderButton(t.picker.clear, clear));
  return { element, name, clear };
}

function trackStrokes(canvas, context, ended) {
  let last = null;
  const point = (event) => {
    const box = canvas.getBoundingClientRect();
    const scale = canvas.width / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  };
  const stroke = (to) => {
    Object.assign(context, { lineWidth: PEN, lineCap: 'round', strokeStyle: '#fff' });
    context.beginPath();
    context.moveTo(...(last ?? to));
    context.lineTo(...to);
    context.stroke();
    last = to;
  };
  canvas.addEventListener('pointerdown', (event) => {
    canvas.setPointerCapture(event.pointerId);
    stroke(point(event));
  });
  canvas.addEventListener('pointermove', (event) => {
    if (last) for (const one of event.getCoalescedEvents?.() ?? [event]) stroke(point(one));
  });
  for (const kind of ['pointerup', 'pointercancel']) {
    canvas.addEventListener(kind, () => {
      if (!last) return;
      last = null;
      ended();
    });
  }
}
