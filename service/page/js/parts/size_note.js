// Notice that an image was scaled down before it was sent, with a button to send it in full size.

import { h } from '../dom.js';
import { t } from '../strings.js';
import { renderButton } from './fields.js';

/**
 * Render the notice; null if the image was sent in full size.
 *
 * @param {?object} decoded the result of readImage, if the browser could decode the image
 * @param {() => void} onSendFullSize
 */
export function renderSizeNote(decoded, onSendFullSize) {
  if (!decoded?.isScaledDown) return null;
  const { canvas, width, height } = decoded;
  return h(
    'p',
    { class: 'note size-note' },
    t.picker.scaledDown(canvas.width, canvas.height, width, height),
    ' ',
    renderButton(t.picker.sendFullSize, onSendFullSize),
  );
}
