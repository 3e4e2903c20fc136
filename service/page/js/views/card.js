// One model's card: all that its manifest tells a person.

import { h } from '../dom.js';
import { bytes, grouped } from '../numbers.js';
import { served } from '../parts/authenticated_image.js';
import { sameWithCurl } from '../parts/curl_snippet.js';
import { cardOf } from '../shelf.js';
import { activations } from './activations.js';
import { filters } from './filters.js';
import { metricsTable } from './metrics.js';

const TRY = { classification: 'classify', denoising: 'denoise', compression: 'compress', text: 'text', faces: 'faces', handwriting: 'handwriting' };

export async function modelCard(name, version, versions) {
  const card = await cardOf(name, version);
  const same = sameWithCurl();
  same.show({ path: `/v1/models/${name}`, query: { version } });
  const preview = { path: `/v1/models/${name}/preview`, query: { version } };
  const view = TRY[card.task.kind];
  return h(
    'article',
    { class: 'card' },
    h('h2', {}, `${card.name} ${card.version}`, h('span', { class: `state ${card.state}` }, card.state)),
    card.reason && h('p', { class: 'failed' }, card.reason),
    h('p', { class: 'lead' }, card.summary),
    h('p', { class: 'actions' }, view && h('a', { class: 'button main', href: `#/${view}?${new URLSearchParams({ model: name, version })}` }, 'Try it'), otherVersions(card, versions)),
    card.state === 'ready' && served(preview, { class: 'preview', alt: `What ${card.name} does: its published preview` }),
    h('h3', {}, 'Measured'),
    metricsTable(card.metrics),
    h('h3', {}, 'Meant for'),
    h('p', {}, card.intended_use),
    h('h3', {}, 'Limits'),
    h('p', {}, card.limits),
    h('h3', {}, 'Made of'),
    facts(card),
    card.state === 'ready' && filters(name, version),
    card.state === 'ready' && activations(card),
    h('details', {}, h('summary', {}, 'The recipe'), h('pre', { tabindex: '0' }, JSON.stringify(card.provenance.recipe, null, 2))),
    same.element,
  );
}

function otherVersions(card, versions) {
  return versions
    .filter((one) => one.version !== card.version)
    .map((one) => h('a', { class: 'button quiet', href: `#/shelf?model=${card.name}&version=${one.version}` }, `Version ${one.version} (${one.state})`));
}

function facts(card) {
  const { provenance } = card;
  const size = card.files.reduce((sum, file) => sum + file.bytes, 0);
  const graphs = card.files.filter((file) => file.path.endsWith('.onnx')).map((file) => `${file.path} (${file.precision})`);
  const pairs = [
    ['Parameters', grouped(card.parameters)],
    ['Graphs', graphs.join(', ')],
    ['Size', bytes(size)],
    ['Published', card.created.slice(0, 10)],
    ['Trained on', card.data.map((one) => `${one.title} (${one.licence})`).join('; ')],
    ['Seed', provenance.seed],
    ['Commit', provenance.git_commit],
    ['Hardware', provenance.hardware],
    ['Licence', card.licence],
  ].filter(([, value]) => value !== undefined && value !== null && value !== '');
  return h('dl', {}, pairs.map(([name, value]) => [h('dt', {}, name), h('dd', {}, String(value))]));
}
