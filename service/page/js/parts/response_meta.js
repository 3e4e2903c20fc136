// Who answered, how long it took, and how much went over the wire.

import { bytesSent } from '../api.js';
import { h } from '../dom.js';
import { bytes, milliseconds } from '../numbers.js';
import { t } from '../strings.js';

/** `model` and `version` as the answer names them. */
export function receipt({ model, version, call, ms, blob, more }) {
  const sent = bytesSent(call);
  const parts = [
    h('a', { href: `#/models/${encodeURIComponent(model)}/${version}` }, `${model} ${version}`),
    h('span', { title: t.common.roundTripHint }, t.common.roundTrip(milliseconds(ms))),
    sent > 0 && h('span', {}, t.common.sent(bytes(sent))),
    blob && h('span', {}, t.common.back(bytes(blob.size))),
    more && h('span', {}, more),
  ];
  return h('p', { class: 'receipt' }, parts.filter(Boolean));
}
