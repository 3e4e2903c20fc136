// Any model that somebody added: tensors in and out, as JSON.

import { fetchJson } from '../api.js';
import { debounce, h, setChildren } from '../dom.js';
import { createAsyncResult } from '../parts/async_result.js';
import { createCurlSnippet } from '../parts/curl_snippet.js';
import { createTextArea, renderButton } from '../parts/fields.js';
import { renderResponseMeta } from '../parts/response_meta.js';
import { fetchCard } from '../catalog.js';
import { t } from '../strings.js';
import { formatJson } from './json_lines.js';

export const id = 'predict';
export const { title, lead } = t.predict;
export const task = 'tensors';

const ADD_COMMAND = 'deepshelf models add model.onnx --name my-model';

/** What to show while there is no such model. */
export const renderNoModel = () =>
  h(
    'section',
    { class: 'empty-state' },
    h('h2', {}, t.predict.noModel),
    h('p', {}, t.predict.howToAdd),
    h('pre', { class: 'command', tabindex: '0' }, ADD_COMMAND),
    h('p', {}, t.predict.addHint),
  );

export function open({ body, chooser, onmodel }) {
  const same = createCurlSnippet();
  const answer = createAsyncResult();
  const about = h('div', {});
  const inputs = createTextArea({ label: t.predict.inputs, rows: 12 });
  const problem = h('p', { class: 'error-text', role: 'status' });

  const call = () => ({
    path: '/v1/predict',
    query: { model: chooser.name, ...chooser.value },
    json: { inputs: JSON.parse(inputs.value ?? '') },
  });
  /** The call, or null with the reason shown where the text is not JSON. */
  const checked = () => {
    try {
      const made = call();
      setChildren(problem);
      same.show(made);
      return made;
    } catch (error) {
      setChildren(problem, `${t.predict.invalidJson}: ${error.message}`);
      return null;
    }
  };
  const ask = () => {
    const made = checked();
    if (!made) return;
    answer.run(async (signal) => {
      const { body: told, ms, blob } = await fetchJson(made, signal);
      return [h('pre', { class: 'text-output', tabindex: '0', 'aria-label': t.predict.outputs }, formatJson(told.outputs)), renderResponseMeta({ ...told, call: made, ms, blob })];
    });
  };
  const fillIn = async () => {
    const card = await fetchCard(chooser.name, chooser.version);
    setChildren(about, renderTensorTable(t.predict.inputsHeading, card.files[0].inputs), renderTensorTable(t.predict.outputsHeading, card.files[0].outputs));
    const { body: sample } = await fetchJson({ path: `/v1/models/${chooser.name}/sample`, query: { version: chooser.version } });
    inputs.set(formatJson(sample.inputs));
    ask();
  };
  inputs.input.addEventListener('input', debounce(checked, 400));
  onmodel(fillIn);
  fillIn();
  const actions = h('div', { class: 'actions' }, renderButton(t.predict.predict, ask, 'primary'), renderButton(t.predict.restoreSample, fillIn));
  body.append(
    h('div', { class: 'two-columns' }, h('section', {}, inputs.element, problem, actions), h('section', {}, answer.element, about)),
    same.element,
  );
}

function renderTensorTable(heading, specs) {
  const head = [t.predict.tensor, t.predict.type, t.predict.shape].map((text) => h('th', { scope: 'col' }, text));
  const shape = (axes) => axes.map((axis) => (typeof axis === 'number' ? axis : `${t.predict.anySize} (${axis})`)).join(' × ') || '—';
  const row = ({ name, dtype, shape: axes }) => h('tr', {}, h('th', { scope: 'row' }, h('code', {}, name)), h('td', {}, dtype), h('td', {}, shape(axes)));
  return [h('h2', {}, heading), h('table', {}, h('thead', {}, h('tr', {}, head)), h('tbody', {}, specs.map(row)))];
}
