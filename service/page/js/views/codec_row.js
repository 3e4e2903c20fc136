// One way to code an image: what it looks like then, and what it costs. A click enlarges it.

import { h } from '../dom.js';
import { formatBytes } from '../numbers.js';
import { openComparisonDialog } from '../parts/enlarge.js';
import { t } from '../strings.js';

/** Figures side by side, the original first; each opens beside the model's own result. */
export function renderCodecRow(codings, ours) {
  const addresses = new Map(codings.map((coding) => [coding, URL.createObjectURL(coding.blob)]));
  const figure = (coding) => {
    const [one, other] = coding === ours ? [codings[0], ours] : [coding, ours];
    const label = t.compress.enlargePair(one.name, other.name);
    const open = () => openComparisonDialog([one.name, other.name], [addresses.get(one), addresses.get(other)]);
    const image = h('img', { alt: t.compress.imageAlt(coding.name), src: addresses.get(coding) });
    return h(
      'figure',
      {},
      h('button', { type: 'button', 'aria-label': label, title: label, onclick: open }, image),
      h('figcaption', {}, h('strong', {}, coding.name), h('span', {}, formatBytes(coding.bytes)), h('small', {}, coding.note)),
    );
  };
  return h('div', { class: 'codec-row' }, codings.map(figure));
}
