// Entry point: shows the view that the URL hash names (#/faces?seed=7).
//
// A view is a module of views/ with these exports:
//   id, title, lead    its name in the URL, its heading and the text below
//   tab                its name in the navigation, if not the title
//   task               the task of the models that it needs, if any
//   mount(context)     fills `context.container`; may return a function to call when the view is left
//   renderNoModel()    shown instead if no model of the task is ready (optional)
//   isUnlisted         true for a view without a link in the navigation

import { createUrlState, parseHash } from './address.js';
import { fetchModels, findReadyModels, findUnavailableVersions } from './catalog.js';
import { h, setChildren } from './dom.js';
import { renderButton } from './parts/fields.js';
import { createModelSelect } from './parts/model_select.js';
import { renderProblem } from './parts/problem.js';
import { language, switchLanguage, t, translateState } from './strings.js';
import * as classify from './views/classify.js';
import * as compress from './views/compress.js';
import * as credits from './views/credits.js';
import * as denoise from './views/denoise.js';
import * as faces from './views/faces.js';
import * as game from './views/game.js';
import * as handwriting from './views/handwriting.js';
import * as models from './views/models.js';
import * as predict from './views/predict.js';
import * as text from './views/text.js';

const VIEWS = [classify, denoise, compress, faces, text, handwriting, game, predict, models, credits];
const main = document.getElementById('main');
let unmountView = () => {};
let lastNavigationId = 0;

async function showCurrentView() {
  const { path, params } = parseHash();
  const view = path.length ? VIEWS.find(({ id }) => id === path[0]) : VIEWS[0];
  const navigationId = ++lastNavigationId;
  unmountView();
  unmountView = () => {};
  document.title = `${view?.title ?? t.page.notFound} · deepshelf`;
  markCurrentLink(view);
  if (!view) return void setChildren(main, renderNotFound(path[0]));
  const container = h('div', { class: `view view-${view.id}` });
  const header = h('header', { class: 'view-header' }, h('div', {}, h('h1', {}, view.title), h('p', {}, view.lead)));
  setChildren(main, header, container);
  try {
    const catalog = await fetchModels();
    if (navigationId !== lastNavigationId) return;
    const context = { container, path, urlState: createUrlState(view.id) };
    unmountView = mountView(view, { ...context, header, catalog, params }) ?? unmountView;
  } catch (error) {
    if (navigationId === lastNavigationId) setChildren(container, renderProblem(error));
  }
}

/** Mount a view, or explain why no model is ready. Returns the view's unmount function, if any. */
function mountView(view, { header, catalog, params, ...context }) {
  const { container, urlState } = context;
  if (!view.task) return view.mount({ ...context, models: catalog });
  const readyModels = findReadyModels(catalog, view.task);
  if (!readyModels.length) {
    setChildren(container, view.renderNoModel?.() ?? renderNoModelReady(view, findUnavailableVersions(catalog, view.task)));
    return undefined;
  }
  const listeners = [];
  const modelSelect = createModelSelect(readyModels, params, () => {
    header.querySelector('.notice')?.remove();
    urlState.set({ model: modelSelect.name, version: modelSelect.version });
    listeners.forEach((listener) => listener());
  });
  header.append(modelSelect.element);
  if (!modelSelect.isRequestedModelFound) header.append(renderUnknownModelNotice(urlState, modelSelect));
  const onModelChange = (listener) => listeners.push(listener);
  return view.mount({ ...context, modelSelect, onModelChange });
}

function renderUnknownModelNotice(urlState, { name, version }) {
  const requested = [urlState.get('model'), urlState.get('version')].filter(Boolean).join(' ');
  return h('p', { class: 'notice', role: 'status' }, t.page.unknownModel(requested, `${name} ${version}`));
}

function renderNoModelReady(view, unavailableVersions) {
  const task = t.models.tasks[view.task] ?? view.task;
  const items = unavailableVersions.map(({ name, version, state, reason }) =>
    h('li', {}, t.page.versionState(name, version, translateState(state), reason)));
  return h(
    'section',
    { class: 'empty-state', role: 'status' },
    h('h2', {}, t.page.noModelReady),
    h('p', {}, items.length ? t.page.modelsNotReady(task) : t.page.noModelPublished(task)),
    items.length > 0 && h('ul', {}, items),
    h('p', { class: 'actions' }, renderButton(t.page.retry, showCurrentView, 'primary'), h('a', { href: '#/models' }, t.page.seeAllModels)),
  );
}

const renderNotFound = (viewId) => [
  h('header', { class: 'view-header' }, h('div', {}, h('h1', {}, t.page.notFound), h('p', {}, t.page.noSuchView(viewId)))),
  h('p', {}, h('a', { href: '#/models' }, t.page.seeAllModels)),
];

function markCurrentLink(view) {
  for (const link of document.querySelectorAll('#view-links a')) {
    if (link.dataset.view === view?.id) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
}

/** Fill the header, navigation and footer with the texts of the current language. */
function renderPageFrame() {
  document.documentElement.lang = language;
  const skipLink = document.querySelector('.skip-link');
  skipLink.textContent = t.page.skip;
  skipLink.addEventListener('click', (event) => {
    event.preventDefault(); // following the link would replace the hash, which names the view
    main.focus();
  });
  document.getElementById('api-link').textContent = t.page.api;
  document.getElementById('theme-button').setAttribute('aria-label', t.page.toggleTheme);
  const otherLanguage = language === 'en' ? 'es' : 'en';
  const languageButton = document.getElementById('language-button');
  Object.assign(languageButton, { textContent: t.page.otherLanguage, lang: otherLanguage, onclick: switchLanguage });
  setChildren(document.querySelector('footer p'), t.page.footer, ' ', h('a', { href: '#/credits' }, t.page.credits));
  const viewLinks = document.getElementById('view-links');
  viewLinks.setAttribute('aria-label', t.page.viewsLabel);
  const listedViews = VIEWS.filter(({ isUnlisted }) => !isUnlisted);
  viewLinks.append(...listedViews.map(({ id, tab, title }) => h('a', { href: `#/${id}`, 'data-view': id }, tab ?? title)));
}

renderPageFrame();
addEventListener('hashchange', showCurrentView);
showCurrentView();
