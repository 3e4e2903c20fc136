// The line between two images that lie on top of each other.

import { h } from '../dom.js';
import { t } from '../strings.js';

/** A slider between the images; calls `moved('50%')` with the share that shows the first one. */
export function renderDivider(names, moved) {
  const oninput = () => moved(`${line.value}%`);
  const line = h('input', {
    type: 'range', min: 0, max: 100, value: 50, step: 1, class: 'divider', 'aria-label': t.compare.divider(...names), oninput,
  });
  return line;
}
