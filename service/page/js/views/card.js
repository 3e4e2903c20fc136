// One model's card: all that its manifest tells a person.

import { h, prose } from '../dom.js';
import { noteText } from '../notes.js';
import { bytes, grouped } from '../numbers.js';
import { served } from '../parts/authenticated_image.js';
import { sameWithCurl } from '../parts/curl_snippet.js';
import { cardOf } from '../catalog.js';
import { cardText, t } from '../strings.js';
import { activations } from './activations.js';
import { filters } from './filters.js';
import { metricsTable } from './metrics.js';

const TRY = { classification: 'classify', denoising: 'denoise', compression: 'compress', text: 'text', faces: 'faces', handwriting: 'handwriting', tensors: 'predict' };

export async function modelCard(name, version, versions) {
  const card = await cardOf(name, version);
  const same = sameWithCurl();
  same.show({ path: `/v1/models/${name}`, query: { version } });
  const preview = { path: `/v1/models/${name}/preview`, query: { version } };
  const view = TRY[card.task.kind];
  const ready = card.state === 'ready';
  const texts = [card.summary, card.intended_use, card.limits];
  return h(
    'article',
    { class: 'card' },
    h('h2', {}, `${card.name} ${card.version}`, h('span', { class: `state ${card.state}` }, t.models.states[card.state] ?? card.state)),
    card.reason && h('p', { class: 'failed' }, card.reason),
    t.models.inEnglish && texts.some((text) => cardText(text) === text) && h('p', { class: 'hint' }, t.models.inEnglish),
    h('p', { class: 'lead' }, prose(cardText(card.summary))),
    h('p', { class: 'actions' }, view && h('a', { class: 'button main', href: `#/${view}?${new URLSearchParams({ model: name, version })}` }, t.models.tryIt), otherVersions(card, versions)),
    ready && served(preview, { class: 'preview', alt: t.models.preview(card.name) }),
    card.metrics.length > 0 && [h('h3', {}, t.models.measured), metricsTable(card.metrics)],
    h('h3', {}, t.models.meantFor),
    h('p', {}, prose(cardText(card.intended_use))),
    h('h3', {}, t.models.limits),
    h('p', {}, prose(cardText(card.limits))),
    h('h3', {}, t.models.madeOf),
    facts(card),
    ready && filters(name, version),
    ready && activations(card),
    h('details', {}, h('summary', {}, t.models.recipe), h('pre', { tabindex: '0' }, JSON.stringify(card.provenance.recipe, null, 2))),
    same.element,
  );
}

function otherVersions(card, versions) {
  return versions
    .filter((one) => one.version !== card.version)
    .map((one) => h('a', { class: 'button quiet', href: `#/models/${card.name}/${one.version}` }, t.models.version(one.version, t.models.states[one.state] ?? one.state)));
}

function facts(card) {
  const { provenance } = card;
  const size = card.files.reduce((sum, file) => sum + file.bytes, 0);
  const graphs = card.files.filter((file) => file.path.endsWith('.onnx')).map((file) => `${file.path} (${file.precision})`);
  const pairs = Object.entries({
    parameters: grouped(card.parameters),
    graphs: graphs.join(', '),
    size: bytes(size),
    published: card.created.slice(0, 10),
    data: card.data.map((one) => `${noteText(one.title)} (${noteText(one.licence)})`).join('; '),
    seed: provenance.seed,
    commit: provenance.git_commit,
    hardware: noteText(provenance.hardware),
    licence: noteText(card.licence),
  }).filter(([, value]) => value !== undefined && value !== null && value !== '');
  return h('dl', {}, pairs.map(([name, value]) => [h('dt', {}, t.models.facts[name]), h('dd', {}, String(value))]));
}
