// One image as encoded by several codecs, with file sizes. A click enlarges it.

import { h } from '../dom.js';
import { formatBytes } from '../numbers.js';
import { openComparisonDialog } from '../parts/enlarge.js';
import { t } from '../strings.js';

/**
 * Render the encodings side by side. Each opens in comparison with the model's own encoding, which in
 * turn opens in comparison with the original.
 *
 * @param {Array<{name: string, blob: Blob, bytes: number, note: string}>} encodings the original first
 * @param {object} modelEncoding the element of `encodings` that the model produced
 */
export function renderCodecRow(encodings, modelEncoding) {
  const urls = new Map(encodings.map((encoding) => [encoding, URL.createObjectURL(encoding.blob)]));
  const renderFigure = (encoding) => {
    const [left, right] = encoding === modelEncoding ? [encodings[0], modelEncoding] : [encoding, modelEncoding];
    const label = t.compress.enlargePair(left.name, right.name);
    const onclick = () => openComparisonDialog([left.name, right.name], [urls.get(left), urls.get(right)]);
    const image = h('img', { alt: t.compress.imageAlt(encoding.name), src: urls.get(encoding) });
    return h(
      'figure',
      {},
      h('button', { type: 'button', 'aria-label': label, title: label, onclick }, image),
      h('figcaption', {}, h('strong', {}, encoding.name), h('span', {}, formatBytes(encoding.bytes)), h('small', {}, encoding.note)),
    );
  };
  return h('div', { class: 'codec-row' }, encodings.map(renderFigure));
}
