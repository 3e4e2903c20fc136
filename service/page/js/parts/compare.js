// Two images of one size on top of each other, and a slider between them.

import { addressIn, h } from '../dom.js';
import { t } from '../strings.js';
import { divider } from './divider.js';
import { enlarge } from './enlarge.js';
import { button } from './fields.js';

/** {element, show(before, after)} of two blobs. The slider is an input: arrow keys move it too. */
export function beforeAfter(names) {
  const [before, after] = names.map((name) => h('img', { alt: name, class: 'compared', draggable: 'false' }));
  const line = divider(names, (share) => box.style.setProperty('--shown', share));
  const box = h('div', { class: 'compare' }, after, before, line);
  line.dispatchEvent(new Event('input'));
  const tags = h('div', { class: 'compare-names', 'aria-hidden': 'true' }, names.map((name) => h('span', {}, name)));
  const larger = button(t.compare.enlarge, () => enlarge(names, [before.src, after.src]));
  const element = h('div', { class: 'compare-pair' }, tags, box, larger);
  after.addEventListener('load', () => {
    element.style.setProperty('--ratio', after.naturalWidth / after.naturalHeight);
    box.classList.toggle('tiny', after.naturalWidth <= 320);
  });
  // A format that only the service can read, such as HEIC: the result is shown alone.
  before.addEventListener('error', () => element.classList.add('after-only'));
  before.addEventListener('load', () => element.classList.remove('after-only'));
  const slots = [{}, {}];
  return {
    element,
    show(...blobs) {
      [before, after].forEach((image, place) => (image.src = addressIn(slots[place], blobs[place])));
    },
  };
}
