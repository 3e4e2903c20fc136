// Which view is shown: the address says it (#/faces?seed=7), so that each can be linked to.

import { addressOf, current } from './address.js';
import { fill, h } from './dom.js';
import { button } from './parts/fields.js';
import { modelChooser } from './parts/model_select.js';
import { problemBox } from './parts/problem.js';
import { listModels, readyFor, waitingFor } from './catalog.js';
import { language, switchLanguage, t } from './strings.js';
import * as classify from './views/classify.js';
import * as compress from './views/compress.js';
import * as credits from './views/credits.js';
import * as denoise from './views/denoise.js';
import * as faces from './views/faces.js';
import * as game from './views/game.js';
import * as handwriting from './views/handwriting.js';
import * as predict from './views/predict.js';
import * as modelList from './views/models.js';
import * as text from './views/text.js';

const VIEWS = [classify, denoise, compress, faces, text, handwriting, game, predict, modelList, credits];
const main = document.getElementById('main');
let close = () => {};
let turn = 0;

async function show() {
  const { path, parameters } = current();
  const view = path.length ? VIEWS.find((one) => one.id === path[0]) : VIEWS[0];
  const mine = ++turn;
  close();
  close = () => {};
  document.title = `${view?.title ?? t.page.notFound} · deepshelf`;
  markCurrent(view);
  if (!view) return void fill(main, notFound(path[0]));
  const body = h('div', { class: `view view-${view.id}` });
  const head = h('header', { class: 'head' }, h('div', {}, h('h1', {}, view.title), h('p', {}, view.lead)));
  fill(main, head, body);
  try {
    const models = await listModels();
    if (mine === turn) close = opened(view, { head, body, models, parameters, path, address: addressOf(view.id) }) ?? close;
  } catch (error) {
    if (mine === turn) fill(body, problemBox(error));
  }
}

/** Fill the view, or say why there is nothing to fill it with. Returns how to leave it. */
function opened(view, { head, body, models, parameters, path, address }) {
  if (!view.task) return view.open({ body, models, address, path });
  const ready = readyFor(models, view.task);
  if (!ready.length) {
    fill(body, view.missing?.() ?? nothingReady(view, waitingFor(models, view.task)));
    return undefined;
  }
  const listeners = [];
  const chooser = modelChooser(ready, parameters, () => {
    head.querySelector('.notice')?.remove();
    address.remember({ model: chooser.name, version: chooser.version });
    listeners.forEach((listener) => listener());
  });
  head.append(chooser.element);
  if (!chooser.found) {
    const asked = [address.get('model'), address.get('version')].filter(Boolean).join(' ');
    head.append(h('p', { class: 'notice', role: 'status' }, t.page.unknownModel(asked, `${chooser.name} ${chooser.version}`)));
  }
  const onmodel = (listener) => listeners.push(listener);
  return view.open({ body, models: ready, chooser, onmodel, address });
}

function nothingReady(view, waiting) {
  const task = t.models.tasks[view.task] ?? view.task;
  const why = waiting.map((one) => h('li', {}, t.page.isState(one.name, one.version, t.models.states[one.state] ?? one.state, one.reason)));
  return h(
    'section',
    { class: 'nothing', role: 'status' },
    h('h2', {}, t.page.nothingReady),
    h('p', {}, waiting.length ? t.page.notReady(task) : t.page.none(task)),
    why.length > 0 && h('ul', {}, why),
    h('p', { class: 'actions' }, button(t.page.again, show, 'main'), h('a', { href: '#/models' }, t.page.toModels)),
  );
}

const notFound = (name) => [
  h('header', { class: 'head' }, h('div', {}, h('h1', {}, t.page.notFound), h('p', {}, t.page.nothingAt(name)))),
  h('p', {}, h('a', { href: '#/models' }, t.page.toModels)),
];

function markCurrent(view) {
  for (const link of document.querySelectorAll('#views a')) {
    if (link.dataset.view === view?.id) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
}

/** The texts around the view, and the row of views. */
function dress() {
  document.documentElement.lang = language;
  const skip = document.querySelector('.skip');
  skip.textContent = t.page.skip;
  skip.addEventListener('click', (event) => {
    event.preventDefault(); // the hash names the view
    main.focus();
  });
  document.getElementById('api').textContent = t.page.api;
  document.getElementById('theme').setAttribute('aria-label', t.page.theme);
  const other = document.getElementById('language');
  Object.assign(other, { textContent: t.page.otherLanguage, lang: language === 'en' ? 'es' : 'en', onclick: switchLanguage });
  fill(document.querySelector('footer p'), t.page.footer, ' ', h('a', { href: '#/credits' }, t.page.credits));
  const views = document.getElementById('views');
  views.setAttribute('aria-label', t.page.views);
  views.append(
    ...VIEWS.filter((view) => !view.hidden).map((view) => h('a', { href: `#/${view.id}`, 'data-view': view.id }, view.tab ?? view.title)),
  );
}

dress();
addEventListener('hashchange', show);
show();
