// One way to code a picture: what it looks like then, and what it costs.

import { h } from '../dom.js';
import { bytes } from '../numbers.js';

export function codedRow({ name, blob, bytes: count, note }) {
  const image = h('img', { alt: `The picture: ${name}`, src: URL.createObjectURL(blob) });
  image.addEventListener('load', () => URL.revokeObjectURL(image.src), { once: true });
  return h('figure', {}, image, h('figcaption', {}, h('strong', {}, name), h('span', {}, bytes(count)), h('small', {}, note)));
}
