// The divider between two stacked images. It is a range input, so that arrow keys move it too.

import { h } from '../dom.js';
import { t } from '../strings.js';

/** Render a divider that passes its position, such as '50%', to `onMove`. */
export function renderDivider(names, onMove) {
  const oninput = () => onMove(`${divider.value}%`);
  const divider = h('input', {
    type: 'range', min: 0, max: 100, value: 50, step: 1, class: 'divider', 'aria-label': t.compare.divider(...names), oninput,
  });
  return divider;
}
