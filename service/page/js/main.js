// Which view is shown: the address says it (#/faces?seed=7), so that each can be linked to.

import { fill, h } from './dom.js';
import { problemBox } from './parts/problem.js';
import { modelChooser } from './parts/model_select.js';
import { button } from './parts/fields.js';
import { listModels, readyFor, waitingFor } from './shelf.js';
import * as classify from './views/classify.js';
import * as compress from './views/compress.js';
import * as denoise from './views/denoise.js';
import * as faces from './views/faces.js';
import * as handwriting from './views/handwriting.js';
import * as shelf from './views/shelf.js';
import * as text from './views/text.js';

const VIEWS = [classify, denoise, compress, faces, text, handwriting, shelf];
const main = document.getElementById('main');
let close = () => {};
let turn = 0;

function place() {
  const [path, query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  return { view: VIEWS.find((view) => view.id === path) ?? VIEWS[0], parameters: new URLSearchParams(query) };
}

async function show() {
  const { view, parameters } = place();
  const mine = ++turn;
  close();
  close = () => {};
  document.title = `${view.title} · deepshelf`;
  markCurrent(view);
  const body = h('div', { class: `view view-${view.id}` });
  const head = h('header', { class: 'head' }, h('div', {}, h('h1', {}, view.title), h('p', {}, view.lead)));
  fill(main, head, body);
  try {
    const models = await listModels();
    if (mine === turn) close = opened(view, { head, body, models, parameters }) ?? close;
  } catch (error) {
    if (mine === turn) fill(body, problemBox(error));
  }
}

/** Fill the view, or say why there is nothing to fill it with. Returns how to leave it. */
function opened(view, { head, body, models, parameters }) {
  if (!view.task) return view.open({ body, models, parameters });
  const ready = readyFor(models, view.task);
  if (!ready.length) {
    fill(body, nothingReady(view, waitingFor(models, view.task)));
    return undefined;
  }
  const listeners = [];
  const chooser = modelChooser(ready, parameters, () => listeners.forEach((listener) => listener()));
  head.append(chooser.element);
  const onmodel = (listener) => listeners.push(listener);
  return view.open({ body, models: ready, chooser, onmodel, parameters });
}

function nothingReady(view, waiting) {
  const why = waiting.map((one) => h('li', {}, h('strong', {}, `${one.name} ${one.version}`), ` is ${one.state}`, one.reason && `: ${one.reason}`));
  return h(
    'section',
    { class: 'nothing', role: 'status' },
    h('h2', {}, 'Nothing on the shelf can do this now'),
    h('p', {}, `This needs a model for ${view.task}, and `, waiting.length ? 'none of these is ready:' : 'there is none on this shelf.'),
    why.length > 0 && h('ul', {}, why),
    h('p', { class: 'actions' }, button('Look again', show, 'main'), h('a', { href: '#/shelf' }, 'What the shelf holds')),
  );
}

function markCurrent(current) {
  for (const link of document.querySelectorAll('#views a')) {
    if (link.dataset.view === current.id) {
      link.setAttribute('aria-current', 'page');
      // On a phone the row of views scrolls, and the current one must be in sight.
      link.parentElement.scrollLeft = link.offsetLeft - (link.parentElement.clientWidth - link.clientWidth) / 2;
    } else link.removeAttribute('aria-current');
  }
}

document.getElementById('views').append(
  ...VIEWS.map((view) => h('a', { href: `#/${view.id}`, 'data-view': view.id }, view.tab ?? view.title)),
);
document.querySelector('.skip').addEventListener('click', (event) => {
  event.preventDefault(); // the hash names the view
  main.focus();
});
addEventListener('hashchange', show);
show();
