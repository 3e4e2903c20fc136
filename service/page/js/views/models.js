// Every published model with its preview, and the card of each.

import { h, setChildren } from '../dom.js';
import { renderProblem } from '../parts/problem.js';
import { renderAuthenticatedImage } from '../parts/authenticated_image.js';
import { createCurlSnippet } from '../parts/curl_snippet.js';
import { fetchCard, LIST_MODELS_REQUEST } from '../catalog.js';
import { t, translateCardText } from '../strings.js';
import { renderModelCard } from './card.js';
import { renderHeadlineMetric } from './metrics.js';

export const id = 'models';
export const { title, tab, lead } = t.models;

/** All models, or the one that the address names: #/models/NAME/VERSION. */
export function open({ body, models, address, path: [, name, version] }) {
  if (name ?? address.get('model')) return void renderModelPage(body, models, name ?? address.get('model'), version ?? address.get('version'));
  const same = createCurlSnippet();
  same.show(LIST_MODELS_REQUEST);
  const list = h('ul', { class: 'models' }, models.map(renderTile));
  body.append(models.length ? list : h('p', { class: 'empty-state' }, t.models.noModels), same.element);
}

function renderModelPage(body, models, name, asked) {
  const listed = models.find((model) => model.name === name);
  const versions = listed?.versions ?? [];
  const back = h('p', {}, h('a', { href: '#/models' }, t.models.backToList));
  const place = h('div', {});
  body.append(back, place);
  const version = Number(asked) || findDisplayedVersion(versions)?.version;
  renderModelCard(name, version, versions).then(
    (card) => setChildren(place, card),
    (error) => setChildren(place, renderProblem(error)),
  );
}

const findDisplayedVersion = (versions) => versions.findLast((one) => one.state === 'ready') ?? versions.at(-1);

function renderTile(model) {
  const { version, state } = findDisplayedVersion(model.versions) ?? {};
  const figure = h('span', { class: 'metric' });
  const summary = h('span', { class: 'summary' });
  const preview = { path: `/v1/models/${model.name}/preview`, query: { version } };
  if (state === 'ready') {
    fetchCard(model.name, version).then(
      (card) => {
        summary.textContent = translateCardText(card.summary);
        setChildren(figure, renderHeadlineMetric(card));
      },
      () => {},
    );
  }
  const failed = model.versions.filter((one) => one.reason);
  return h(
    'li',
    { class: 'tile', 'data-task': model.task },
    h(
      'a',
      { href: `#/models/${model.name}${version ? `/${version}` : ''}` },
      h('span', { class: 'frame' }, state === 'ready' ? renderAuthenticatedImage(preview, { alt: '' }) : h('span', {}, t.models.states[state] ?? state)),
      h('strong', {}, model.name),
      h('span', { class: 'tags' }, h('span', {}, t.models.tasks[model.task] ?? model.task ?? t.models.unknownTask), model.default && h('span', { class: 'is-default' }, t.common.isDefault)),
      summary,
      figure,
    ),
    failed.map((one) => h('p', { class: 'error-text' }, t.models.versionState(one.version, t.models.states[one.state] ?? one.state, one.reason))),
  );
}
