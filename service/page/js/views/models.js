// Every published model with its preview, and the card of each.

import { fill, h } from '../dom.js';
import { problemBox } from '../parts/problem.js';
import { served } from '../parts/authenticated_image.js';
import { sameWithCurl } from '../parts/curl_snippet.js';
import { cardOf, LIST } from '../catalog.js';
import { cardText, t } from '../strings.js';
import { modelCard } from './card.js';
import { headline } from './metrics.js';

export const id = 'models';
export const { title, tab, lead } = t.models;

/** All models, or the one that the address names: #/models/NAME/VERSION. */
export function open({ body, models, address, path: [, name, version] }) {
  if (name ?? address.get('model')) return void oneModel(body, models, name ?? address.get('model'), version ?? address.get('version'));
  const same = sameWithCurl();
  same.show(LIST);
  const list = h('ul', { class: 'models' }, models.map(tile));
  body.append(models.length ? list : h('p', { class: 'nothing' }, t.models.empty), same.element);
}

function oneModel(body, models, name, asked) {
  const listed = models.find((model) => model.name === name);
  const versions = listed?.versions ?? [];
  const back = h('p', {}, h('a', { href: '#/models' }, t.models.back));
  const place = h('div', {});
  body.append(back, place);
  const version = Number(asked) || answering(versions)?.version;
  modelCard(name, version, versions).then(
    (card) => fill(place, card),
    (error) => fill(place, problemBox(error)),
  );
}

const answering = (versions) => versions.findLast((one) => one.state === 'ready') ?? versions.at(-1);

function tile(model) {
  const { version, state } = answering(model.versions) ?? {};
  const figure = h('span', { class: 'figure' });
  const summary = h('span', { class: 'summary' });
  const preview = { path: `/v1/models/${model.name}/preview`, query: { version } };
  if (state === 'ready') {
    cardOf(model.name, version).then(
      (card) => {
        summary.textContent = cardText(card.summary);
        fill(figure, headline(card));
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
      h('span', { class: 'frame' }, state === 'ready' ? served(preview, { alt: '' }) : h('span', {}, t.models.states[state] ?? state)),
      h('strong', {}, model.name),
      h('span', { class: 'tags' }, h('span', {}, t.models.tasks[model.task] ?? model.task ?? t.models.unknownTask), model.default && h('span', { class: 'is-default' }, t.common.isDefault)),
      summary,
      figure,
    ),
    failed.map((one) => h('p', { class: 'failed' }, t.models.versionState(one.version, t.models.states[one.state] ?? one.state, one.reason))),
  );
}
