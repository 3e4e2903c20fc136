// One model's card: all that its manifest tells a person.

import { h, renderInlineCode } from '../dom.js';
import { translateNote } from '../notes.js';
import { formatBytes, formatCount } from '../numbers.js';
import { renderAuthenticatedImage } from '../parts/authenticated_image.js';
import { createCurlSnippet } from '../parts/curl_snippet.js';
import { fetchCard } from '../catalog.js';
import { t, translateCardText } from '../strings.js';
import { renderActivations } from './activations.js';
import { renderFilters } from './filters.js';
import { renderMetricsTable } from './metrics.js';

const VIEW_BY_TASK = { classification: 'classify', denoising: 'denoise', compression: 'compress', text: 'text', faces: 'faces', handwriting: 'handwriting', tensors: 'predict' };

export async function renderModelCard(name, version, versions) {
  const card = await fetchCard(name, version);
  const same = createCurlSnippet();
  same.show({ path: `/v1/models/${name}`, query: { version } });
  const preview = { path: `/v1/models/${name}/preview`, query: { version } };
  const view = VIEW_BY_TASK[card.task.kind];
  const ready = card.state === 'ready';
  const texts = [card.summary, card.intended_use, card.limits];
  return h(
    'article',
    { class: 'card' },
    h('h2', {}, `${card.name} ${card.version}`, h('span', { class: `state ${card.state}` }, t.models.states[card.state] ?? card.state)),
    card.reason && h('p', { class: 'error-text' }, card.reason),
    t.models.textsInEnglish && texts.some((text) => translateCardText(text) === text) && h('p', { class: 'hint' }, t.models.textsInEnglish),
    h('p', { class: 'lead' }, renderInlineCode(translateCardText(card.summary))),
    h('p', { class: 'actions' }, view && h('a', { class: 'button primary', href: `#/${view}?${new URLSearchParams({ model: name, version })}` }, t.models.tryModel), renderOtherVersions(card, versions)),
    ready && renderAuthenticatedImage(preview, { class: 'preview', alt: t.models.preview(card.name) }),
    card.metrics.length > 0 && [h('h3', {}, t.models.metricsHeading), renderMetricsTable(card.metrics)],
    h('h3', {}, t.models.intendedUse),
    h('p', {}, renderInlineCode(translateCardText(card.intended_use))),
    h('h3', {}, t.models.limitations),
    h('p', {}, renderInlineCode(translateCardText(card.limits))),
    h('h3', {}, t.models.detailsHeading),
    renderFacts(card),
    ready && renderFilters(name, version),
    ready && renderActivations(card),
    h('details', {}, h('summary', {}, t.models.recipe), h('pre', { tabindex: '0' }, JSON.stringify(card.provenance.recipe, null, 2))),
    same.element,
  );
}

function renderOtherVersions(card, versions) {
  return versions
    .filter((one) => one.version !== card.version)
    .map((one) => h('a', { class: 'button secondary', href: `#/models/${card.name}/${one.version}` }, t.models.version(one.version, t.models.states[one.state] ?? one.state)));
}

function renderFacts(card) {
  const { provenance } = card;
  const size = card.files.reduce((sum, file) => sum + file.bytes, 0);
  const graphs = card.files.filter((file) => file.path.endsWith('.onnx')).map((file) => `${file.path} (${file.precision})`);
  const pairs = Object.entries({
    parameters: formatCount(card.parameters),
    graphs: graphs.join(', '),
    size: formatBytes(size),
    published: card.created.slice(0, 10),
    data: card.data.map((one) => `${translateNote(one.title)} (${translateNote(one.licence)})`).join('; '),
    seed: provenance.seed,
    commit: provenance.git_commit,
    hardware: translateNote(provenance.hardware),
    licence: translateNote(card.licence),
  }).filter(([, value]) => value !== undefined && value !== null && value !== '');
  return h('dl', {}, pairs.map(([name, value]) => [h('dt', {}, t.models.facts[name]), h('dd', {}, String(value))]));
}
