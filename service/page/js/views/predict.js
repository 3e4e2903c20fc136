// Any ONNX model that the operator has added: JSON tensors in, JSON tensors out.

import { fetchJson } from '../api.js';
import { fetchCard } from '../catalog.js';
import { debounce, h, setChildren } from '../dom.js';
import { createAsyncResult } from '../parts/async_result.js';
import { createCurlSnippet } from '../parts/curl_snippet.js';
import { createTextArea, renderButton } from '../parts/fields.js';
import { renderResponseMeta } from '../parts/response_meta.js';
import { t } from '../strings.js';
import { formatJson } from './json_lines.js';

export const id = 'predict';
export const { title, lead } = t.predict;
export const task = 'tensors';

const ADD_COMMAND = 'deepshelf models add model.onnx --name my-model';

export const renderNoModel = () =>
  h(
    'section',
    { class: 'empty-state' },
    h('h2', {}, t.predict.noModel),
    h('p', {}, t.predict.howToAdd),
    h('pre', { class: 'command', tabindex: '0' }, ADD_COMMAND),
    h('p', {}, t.predict.addHint),
  );

export function mount({ container, modelSelect, onModelChange }) {
  const curlSnippet = createCurlSnippet();
  const result = createAsyncResult();
  const tensorTables = h('div', {});
  const inputs = createTextArea({ label: t.predict.inputs, rows: 12 });
  const inputError = h('p', { class: 'error-text', role: 'status' });

  /** Return the request, or null after showing why the inputs are not JSON. */
  const buildRequest = () => {
    try {
      const json = { inputs: JSON.parse(inputs.value ?? '') };
      const request = { path: '/v1/predict', query: { model: modelSelect.name, ...modelSelect.query }, json };
      setChildren(inputError);
      curlSnippet.show(request);
      return request;
    } catch (error) {
      setChildren(inputError, `${t.predict.invalidJson}: ${error.message}`);
      return null;
    }
  };
  const predict = () => {
    const request = buildRequest();
    if (!request) return;
    result.run(async (signal) => {
      const { body, elapsedMs, blob } = await fetchJson(request, signal);
      return [
        h('pre', { class: 'text-output', tabindex: '0', 'aria-label': t.predict.outputs }, formatJson(body.outputs)),
        renderResponseMeta({ ...body, request, elapsedMs, blob }),
      ];
    });
  };
  /** Describe the tensors of the model and predict its published sample. */
  const loadSample = async () => {
    const { name, version } = modelSelect;
    const { files: [graph] } = await fetchCard(name, version);
    setChildren(
      tensorTables,
      renderTensorTable(t.predict.inputsHeading, graph.inputs),
      renderTensorTable(t.predict.outputsHeading, graph.outputs),
    );
    const { body: sample } = await fetchJson({ path: `/v1/models/${name}/sample`, query: { version } });
    inputs.set(formatJson(sample.inputs));
    predict();
  };
  inputs.input.addEventListener('input', debounce(buildRequest, 400));
  onModelChange(loadSample);
  loadSample();
  const actions = h(
    'div',
    { class: 'actions' },
    renderButton(t.predict.predict, predict, 'primary'),
    renderButton(t.predict.restoreSample, loadSample),
  );
  container.append(
    h(
      'div',
      { class: 'two-columns' },
      h('section', {}, inputs.element, inputError, actions),
      h('section', {}, result.element, tensorTables),
    ),
    curlSnippet.element,
  );
}

function renderTensorTable(heading, specs) {
  const head = [t.predict.tensor, t.predict.type, t.predict.shape].map((text) => h('th', { scope: 'col' }, text));
  const formatAxis = (axis) => (typeof axis === 'number' ? axis : `${t.predict.anySize} (${axis})`);
  const formatShape = (shape) => shape.map(formatAxis).join(' × ') || '—';
  const renderRow = ({ name, dtype, shape }) =>
    h('tr', {}, h('th', { scope: 'row' }, h('code', {}, name)), h('td', {}, dtype), h('td', {}, formatShape(shape)));
  return [h('h2', {}, heading), h('table', {}, h('thead', {}, h('tr', {}, head)), h('tbody', {}, specs.map(renderRow)))];
}
