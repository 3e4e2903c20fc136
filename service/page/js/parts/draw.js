// A pad to draw a digit on: white on black, exported at 28 × 28 pixels like the images of MNIST.

import { h } from '../dom.js';
import { createCanvas, encodePngFile, resizeToFit } from '../pixels/canvas.js';
import { t } from '../strings.js';
import { renderButton } from './fields.js';

const EXPORT_SIZE = 28;
const SCALE = 12;
const LINE_WIDTH = 2.4 * SCALE;

/** Create a drawing pad that calls `onDraw(file)` after each stroke: {element, fileName, clear}. */
export function createDrawingPad(onDraw) {
  const fileName = 'drawing.png';
  const canvas = createCanvas(EXPORT_SIZE * SCALE, EXPORT_SIZE * SCALE);
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', t.picker.drawingPad);
  const context = canvas.getContext('2d');
  const clear = () => {
    context.fillStyle = '#000';
    context.fillRect(0, 0, canvas.width, canvas.height);
  };
  clear();
  trackStrokes(canvas, context, async () => {
    const resized = resizeToFit(canvas, { width: EXPORT_SIZE, height: EXPORT_SIZE, resize: 'stretch' });
    onDraw(await encodePngFile(resized, fileName));
  });
  const hint = h('p', {}, t.picker.drawHint);
  const element = h('div', { class: 'drawing-pad', hidden: true }, canvas, hint, renderButton(t.picker.clear, clear));
  return { element, fileName, clear };
}

/** Draw the strokes of a mouse, pen or finger, and call `onStrokeEnd` after each. */
function trackStrokes(canvas, context, onStrokeEnd) {
  let lastPoint = null;
  const toCanvasPoint = (event) => {
    const box = canvas.getBoundingClientRect();
    const scale = canvas.width / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  };
  const drawLineTo = (point) => {
    Object.assign(context, { lineWidth: LINE_WIDTH, lineCap: 'round', strokeStyle: '#fff' });
    context.beginPath();
    context.moveTo(...(lastPoint ?? point));
    context.lineTo(...point);
    context.stroke();
    lastPoint = point;
  };
  canvas.addEventListener('pointerdown', (event) => {
    canvas.setPointerCapture(event.pointerId);
    drawLineTo(toCanvasPoint(event));
  });
  canvas.addEventListener('pointermove', (event) => {
    if (!lastPoint) return;
    for (const sample of event.getCoalescedEvents?.() ?? [event]) drawLineTo(toCanvasPoint(sample));
  });
  for (const eventType of ['pointerup', 'pointercancel']) {
    canvas.addEventListener(eventType, () => {
      if (!lastPoint) return;
      lastPoint = null;
      onStrokeEnd();
    });
  }
}
