// The list of published models, and the page of each (#/models/NAME/VERSION).

import { fetchCard, LIST_MODELS_REQUEST } from '../catalog.js';
import { h, setChildren } from '../dom.js';
import { renderAuthenticatedImage } from '../parts/authenticated_image.js';
import { createCurlSnippet } from '../parts/curl_snippet.js';
import { renderProblem } from '../parts/problem.js';
import { t, translateCardText, translateState } from '../strings.js';
import { renderModelCard } from './card.js';
import { renderHeadlineMetric } from './metrics.js';

export const id = 'models';
export const { title, tab, lead } = t.models;

export function mount({ container, models, urlState, path: [, nameInPath, versionInPath] }) {
  const name = nameInPath ?? urlState.get('model');
  if (name) return void showModel(container, models, name, versionInPath ?? urlState.get('version'));
  const curlSnippet = createCurlSnippet();
  curlSnippet.show(LIST_MODELS_REQUEST);
  const list = h('ul', { class: 'models' }, models.map(renderTile));
  container.append(models.length ? list : h('p', { class: 'empty-state' }, t.models.noModels), curlSnippet.element);
}

function showModel(container, models, name, requestedVersion) {
  const versions = models.find((model) => model.name === name)?.versions ?? [];
  const version = Number(requestedVersion) || findDisplayedVersion(versions)?.version;
  const cardContainer = h('div', {});
  container.append(h('p', {}, h('a', { href: '#/models' }, t.models.backToList)), cardContainer);
  renderModelCard(name, version, versions).then(
    (card) => setChildren(cardContainer, card),
    (error) => setChildren(cardContainer, renderProblem(error)),
  );
}

/** Return the highest ready version, or the highest of all if none is ready. */
const findDisplayedVersion = (versions) => versions.findLast(({ state }) => state === 'ready') ?? versions.at(-1);

function renderTile(model) {
  const { version, state } = findDisplayedVersion(model.versions) ?? {};
  const isReady = state === 'ready';
  const metric = h('span', { class: 'metric' });
  const summary = h('span', { class: 'summary' });
  const previewRequest = { path: `/v1/models/${model.name}/preview`, query: { version } };
  if (isReady) {
    fetchCard(model.name, version).then(
      (card) => {
        summary.textContent = translateCardText(card.summary);
        setChildren(metric, renderHeadlineMetric(card));
      },
      () => {}, // the tile is shown without them
    );
  }
  const failedVersions = model.versions.filter(({ reason }) => reason);
  return h(
    'li',
    { class: 'tile', 'data-task': model.task },
    h(
      'a',
      { href: `#/models/${model.name}${version ? `/${version}` : ''}` },
      h('span', { class: 'frame' }, isReady ? renderAuthenticatedImage(previewRequest, { alt: '' }) : h('span', {}, translateState(state))),
      h('strong', {}, model.name),
      h(
        'span',
        { class: 'tags' },
        h('span', {}, t.models.tasks[model.task] ?? model.task ?? t.models.unknownTask),
        model.default && h('span', { class: 'is-default' }, t.common.isDefault),
      ),
      summary,
      metric,
    ),
    failedVersions.map((failed) =>
      h('p', { class: 'error-text' }, t.models.versionState(failed.version, translateState(failed.state), failed.reason))),
  );
}
