// Which view is shown: the address says it (#/faces?seed=7), so that each can be linked to.

import { createUrlState, parseHash } from './address.js';
import { h, setChildren } from './dom.js';
import { renderButton } from './parts/fields.js';
import { createModelSelect } from './parts/model_select.js';
import { renderProblem } from './parts/problem.js';
import { fetchModels, findReadyModels, findUnavailableVersions } from './catalog.js';
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
  const { path, parameters } = parseHash();
  const view = path.length ? VIEWS.find((one) => one.id === path[0]) : VIEWS[0];
  const mine = ++turn;
  close();
  close = () => {};
  document.title = `${view?.title ?? t.page.notFound} · deepshelf`;
  markCurrentLink(view);
  if (!view) return void setChildren(main, renderNotFound(path[0]));
  const body = h('div', { class: `view view-${view.id}` });
  const head = h('header', { class: 'view-header' }, h('div', {}, h('h1', {}, view.title), h('p', {}, view.lead)));
  setChildren(main, head, body);
  try {
    const models = await fetchModels();
    if (mine === turn) close = openView(view, { head, body, models, parameters, path, address: createUrlState(view.id) }) ?? close;
  } catch (error) {
    if (mine === turn) setChildren(body, renderProblem(error));
  }
}

/** Fill the view, or say why there is nothing to fill it with. Returns how to leave it. */
function openView(view, { head, body, models, parameters, path, address }) {
  if (!view.task) return view.open({ body, models, address, path });
  const ready = findReadyModels(models, view.task);
  if (!ready.length) {
    setChildren(body, view.renderNoModel?.() ?? renderNoReadyModel(view, findUnavailableVersions(models, view.task)));
    return undefined;
  }
  const listeners = [];
  const chooser = createModelSelect(ready, parameters, () => {
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

function renderNoReadyModel(view, waiting) {
  const task = t.models.tasks[view.task] ?? view.task;
  const why = waiting.map((one) => h('li', {}, t.page.versionState(one.name, one.version, t.models.states[one.state] ?? one.state, one.reason)));
  return h(
    'section',
    { class: 'empty-state', role: 'status' },
    h('h2', {}, t.page.noModelReady),
    h('p', {}, waiting.length ? t.page.modelsNotReady(task) : t.page.noModelPublished(task)),
    why.length > 0 && h('ul', {}, why),
    h('p', { class: 'actions' }, renderButton(t.page.retry, show, 'primary'), h('a', { href: '#/models' }, t.page.seeAllModels)),
  );
}

const renderNotFound = (name) => [
  h('header', { class: 'view-header' }, h('div', {}, h('h1', {}, t.page.notFound), h('p', {}, t.page.noSuchView(name)))),
  h('p', {}, h('a', { href: '#/models' }, t.page.seeAllModels)),
];

function markCurrentLink(view) {
  for (const link of document.querySelectorAll('#view-links a')) {
    if (link.dataset.view === view?.id) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
}

/** The texts around the view, and the row of views. */
function renderPageFrame() {
  document.documentElement.lang = language;
  const skip = document.querySelector('.skip-link');
  skip.textContent = t.page.skip;
  skip.addEventListener('click', (event) => {
    event.preventDefault(); // the hash names the view
    main.focus();
  });
  document.getElementById('api-link').textContent = t.page.api;
  document.getElementById('theme-button').setAttribute('aria-label', t.page.toggleTheme);
  const other = document.getElementById('language-button');
  Object.assign(other, { textContent: t.page.otherLanguage, lang: language === 'en' ? 'es' : 'en', onclick: switchLanguage });
  setChildren(document.querySelector('footer p'), t.page.footer, ' ', h('a', { href: '#/credits' }, t.page.credits));
  const views = document.getElementById('view-links');
  views.setAttribute('aria-label', t.page.viewsLabel);
  views.append(
    ...VIEWS.filter((view) => !view.isUnlisted).map((view) => h('a', { href: `#/${view.id}`, 'data-view': view.id }, view.tab ?? view.title)),
  );
}

renderPageFrame();
addEventListener('hashchange', show);
show();
