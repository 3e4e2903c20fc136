// Two pictures of one size on top of each other, and a slider between them.

import { addressIn, h } from '../dom.js';

/** {element, show(before, after)} of two blobs. The slider is an input: arrow keys move it too. */
export function beforeAfter(names = ['before', 'after']) {
  const [before, after] = names.map((name) => h('img', { alt: name, class: 'compared', draggable: 'false' }));
  const line = h('input', {
    type: 'range', min: 0, max: 100, value: 50, step: 1, class: 'divider',
    'aria-label': `How much of the picture shows ${names[0]} rather than ${names[1]}`,
  });
  const box = h('div', { class: 'compare' }, after, before, line);
  const tags = h('div', { class: 'compare-names', 'aria-hidden': 'true' }, names.map((name) => h('span', {}, name)));
  const element = h('div', { class: 'compare-pair', hidden: true }, tags, box);
  const move = () => box.style.setProperty('--shown', `${line.value}%`);
  line.addEventListener('input', move);
  move();
  after.addEventListener('load', () => {
    element.style.setProperty('--ratio', after.naturalWidth / after.naturalHeight);
    box.classList.toggle('tiny', after.naturalWidth <= 320);
  });
  const slots = [{}, {}];
  return {
    element,
    show(...blobs) {
      element.hidden = false;
      [before, after].forEach((image, place) => (image.src = addressIn(slots[place], blobs[place])));
    },
  };
}
