// Said when a photo was made smaller before it was sent, with a button to send all of it.

import { h } from '../dom.js';
import { t } from '../strings.js';
import { renderButton } from './fields.js';

/** Nothing where the whole image was sent. `read` is what readImage returns, or null. */
export function renderSizeNote(read, sendWhole) {
  if (!read?.shrunk) return null;
  const { canvas, width, height } = read;
  return h('p', { class: 'note size-note' }, t.picker.scaledDown(canvas.width, canvas.height, width, height), ' ', renderButton(t.picker.sendFullSize, sendWhole));
}
