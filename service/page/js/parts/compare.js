// Two images of one size on top of each other, and a slider between them.

import { h, replaceObjectUrl } from '../dom.js';
import { t } from '../strings.js';
import { renderDivider } from './divider.js';
import { openComparisonDialog } from './enlarge.js';
import { renderButton } from './fields.js';

/** {element, show(before, after)} of two blobs. The slider is an input: arrow keys move it too. */
export function createComparison(names) {
  const [before, after] = names.map((name) => h('img', { alt: name, class: 'comparison-image', draggable: 'false' }));
  const line = renderDivider(names, (share) => box.style.setProperty('--divider-position', share));
  const box = h('div', { class: 'comparison-images' }, after, before, line);
  line.dispatchEvent(new Event('input'));
  const tags = h('div', { class: 'comparison-names', 'aria-hidden': 'true' }, names.map((name) => h('span', {}, name)));
  const larger = renderButton(t.compare.enlarge, () => openComparisonDialog(names, [before.src, after.src]));
  const element = h('div', { class: 'comparison' }, tags, box, larger);
  after.addEventListener('load', () => {
    element.style.setProperty('--ratio', after.naturalWidth / after.naturalHeight);
    box.classList.toggle('low-resolution', after.naturalWidth <= 320);
  });
  // A format that only the service can read, such as HEIC: the result is shown alone.
  before.addEventListener('error', () => element.classList.add('after-only'));
  before.addEventListener('load', () => element.classList.remove('after-only'));
  const slots = [{}, {}];
  return {
    element,
    show(...blobs) {
      [before, after].forEach((image, place) => (image.src = replaceObjectUrl(slots[place], blobs[place])));
    },
  };
}
