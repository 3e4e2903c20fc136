// The shelf: every model with its picture, and each one's card.

import { fill, h } from '../dom.js';
import { problemBox } from '../parts/problem.js';
import { served } from '../parts/authenticated_image.js';
import { sameWithCurl } from '../parts/curl_snippet.js';
import { cardOf, LIST } from '../shelf.js';
import { modelCard } from './card.js';
import { headline } from './metrics.js';

export const id = 'shelf';
export const title = 'The shelf';
export const tab = 'Shelf';
export const lead = 'Every model that is published here, what it was measured to do, and where it comes from.';

export function open({ body, models, parameters }) {
  const name = parameters.get('model');
  if (name) return void oneModel(body, models, name, parameters.get('version'));
  const same = sameWithCurl();
  same.show(LIST);
  const shelf = h('ul', { class: 'shelf' }, models.map(tile));
  body.append(models.length ? shelf : h('p', { class: 'nothing' }, 'The shelf is empty.'), same.element);
}

function oneModel(body, models, name, asked) {
  const listed = models.find((model) => model.name === name);
  const versions = listed?.versions ?? [];
  const back = h('p', {}, h('a', { href: '#/shelf' }, '← The whole shelf'));
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
        summary.textContent = card.summary;
        fill(figure, headline(card));
      },
      () => {},
    );
  }
  const failed = model.versions.filter((one) => one.reason);
  return h(
    'li',
    { class: 'tile' },
    h(
      'a',
      { href: `#/shelf?${new URLSearchParams({ model: model.name, version: version ?? '' })}` },
      h('span', { class: 'frame' }, state === 'ready' ? served(preview, { alt: '' }) : h('span', {}, state)),
      h('strong', {}, model.name),
      h('span', { class: 'tags' }, h('span', {}, model.task ?? 'unknown task'), model.default && h('span', { class: 'is-default' }, 'default')),
      summary,
      figure,
    ),
    failed.map((one) => h('p', { class: 'failed' }, `Version ${one.version} is ${one.state}: ${one.reason}`)),
  );
}
