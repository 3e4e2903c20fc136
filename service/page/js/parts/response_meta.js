// Who answered, how long it took, and how much went over the wire.

import { countBodyBytes } from '../api.js';
import { h } from '../dom.js';
import { formatBytes, formatDuration } from '../numbers.js';
import { t } from '../strings.js';

/** `model` and `version` as the answer names them. */
export function renderResponseMeta({ model, version, call, ms, blob, more }) {
  const sent = countBodyBytes(call);
  const parts = [
    h('a', { href: `#/models/${encodeURIComponent(model)}/${version}` }, `${model} ${version}`),
    h('span', { title: t.common.roundTripHint }, t.common.roundTrip(formatDuration(ms))),
    sent > 0 && h('span', {}, t.common.sent(formatBytes(sent))),
    blob && h('span', {}, t.common.received(formatBytes(blob.size))),
    more && h('span', {}, more),
  ];
  return h('p', { class: 'response-meta' }, parts.filter(Boolean));
}
