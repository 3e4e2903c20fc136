// The card of a model: the contents of its manifest, with links and visualizations.

import { fetchCard } from '../catalog.js';
import { h, renderInlineCode } from '../dom.js';
import { translateNote } from '../notes.js';
import { formatBytes, formatCount } from '../numbers.js';
import { renderAuthenticatedImage } from '../parts/authenticated_image.js';
import { createCurlSnippet } from '../parts/curl_snippet.js';
import { t, translateCardText, translateState } from '../strings.js';
import { renderActivations } from './activations.js';
import { renderFilters } from './filters.js';
import { renderMetricsTable } from './metrics.js';

/** The view that uses the models of a task. */
const VIEW_BY_TASK = {
  classification: 'classify',
  denoising: 'denoise',
  compression: 'compress',
  text: 'text',
  faces: 'faces',
  handwriting: 'handwriting',
  tensors: 'predict',
};

/** @param {Array<{version: number, state: string}>} versions all versions of the model, to link the others */
export async function renderModelCard(name, version, versions) {
  const card = await fetchCard(name, version);
  const curlSnippet = createCurlSnippet();
  curlSnippet.show({ path: `/v1/models/${name}`, query: { version } });
  const previewRequest = { path: `/v1/models/${name}/preview`, query: { version } };
  const isReady = card.state === 'ready';
  const texts = [card.summary, card.intended_use, card.limits];
  const hasEnglishText = texts.some((text) => translateCardText(text) === text);
  return h(
    'article',
    { class: 'card' },
    h('h2', {}, `${card.name} ${card.version}`, h('span', { class: `state ${card.state}` }, translateState(card.state))),
    card.reason && h('p', { class: 'error-text' }, card.reason),
    t.models.textsInEnglish && hasEnglishText && h('p', { class: 'hint' }, t.models.textsInEnglish),
    h('p', { class: 'lead' }, renderInlineCode(translateCardText(card.summary))),
    h('p', { class: 'actions' }, renderTryLink(card), renderOtherVersions(card, versions)),
    isReady && renderAuthenticatedImage(previewRequest, { class: 'preview', alt: t.models.preview(card.name) }),
    card.metrics.length > 0 && [h('h3', {}, t.models.metricsHeading), renderMetricsTable(card.metrics)],
    h('h3', {}, t.models.intendedUse),
    h('p', {}, renderInlineCode(translateCardText(card.intended_use))),
    h('h3', {}, t.models.limitations),
    h('p', {}, renderInlineCode(translateCardText(card.limits))),
    h('h3', {}, t.models.detailsHeading),
    renderFacts(card),
    isReady && renderFilters(name, version),
    isReady && renderActivations(card),
    h('details', {}, h('summary', {}, t.models.recipe), h('pre', { tabindex: '0' }, JSON.stringify(card.provenance.recipe, null, 2))),
    curlSnippet.element,
  );
}

function renderTryLink({ name, version, task }) {
  const viewId = VIEW_BY_TASK[task.kind];
  const params = new URLSearchParams({ model: name, version });
  return viewId && h('a', { class: 'button primary', href: `#/${viewId}?${params}` }, t.models.tryModel);
}

function renderOtherVersions(card, versions) {
  return versions
    .filter(({ version }) => version !== card.version)
    .map(({ version, state }) =>
      h('a', { class: 'button secondary', href: `#/models/${card.name}/${version}` }, t.models.version(version, translateState(state))));
}

function renderFacts(card) {
  const { provenance } = card;
  const size = card.files.reduce((sum, file) => sum + file.bytes, 0);
  const graphs = card.files.filter(({ path }) => path.endsWith('.onnx')).map(({ path, precision }) => `${path} (${precision})`);
  const facts = Object.entries({
    parameters: formatCount(card.parameters),
    graphs: graphs.join(', '),
    size: formatBytes(size),
    published: card.created.slice(0, 10),
    data: card.data.map((dataset) => `${translateNote(dataset.title)} (${translateNote(dataset.licence)})`).join('; '),
    seed: provenance.seed,
    commit: provenance.git_commit,
    hardware: translateNote(provenance.hardware),
    licence: translateNote(card.licence),
  }).filter(([, value]) => value !== undefined && value !== null && value !== '');
  return h('dl', {}, facts.map(([name, value]) => [h('dt', {}, t.models.facts[name]), h('dd', {}, String(value))]));
}
