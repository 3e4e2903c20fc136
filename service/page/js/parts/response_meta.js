// Who answered, how long it took, and how much went over the wire.

import { bytesSent } from '../api.js';
import { h } from '../dom.js';
import { bytes, milliseconds } from '../numbers.js';

/** `model` and `version` as the answer names them. */
export function receipt({ model, version, call, ms, blob, more }) {
  const sent = bytesSent(call);
  const parts = [
    h('a', { href: `#/shelf?model=${encodeURIComponent(model)}&version=${version}` }, `${model} ${version}`),
    h('span', { title: 'From sending the request to having the whole answer, measured here' }, `${milliseconds(ms)} round trip`),
    sent > 0 && h('span', {}, `${bytes(sent)} sent`),
    blob && h('span', {}, `${bytes(blob.size)} back`),
    more && h('span', {}, more),
  ];
  return h('p', { class: 'receipt' }, parts.filter(Boolean));
}
