// The line below a result: model, round-trip time, and bytes sent and received.

import { countBodyBytes } from '../api.js';
import { h } from '../dom.js';
import { formatBytes, formatDuration } from '../numbers.js';
import { t } from '../strings.js';

/**
 * @param {object} options
 * @param {string} options.model as named in the response
 * @param {string|number} options.version
 * @param {import('../api.js').ApiRequest} options.request
 * @param {number} options.elapsedMs
 * @param {Blob} [options.blob] the body of the response, to show its size
 * @param {string} [options.extra] text to append
 */
export function renderResponseMeta({ model, version, request, elapsedMs, blob, extra }) {
  const bytesSent = countBodyBytes(request);
  const parts = [
    h('a', { href: `#/models/${encodeURIComponent(model)}/${version}` }, `${model} ${version}`),
    h('span', { title: t.common.roundTripHint }, t.common.roundTrip(formatDuration(elapsedMs))),
    bytesSent > 0 && h('span', {}, t.common.sent(formatBytes(bytesSent))),
    blob && h('span', {}, t.common.received(formatBytes(blob.size))),
    extra && h('span', {}, extra),
  ];
  return h('p', { class: 'response-meta' }, parts.filter(Boolean));
}
