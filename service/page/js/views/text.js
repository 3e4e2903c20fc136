// A beginning, continued character by character.

import { ApiError, fetchResponse as ask } from '../api.js';
import { debounce, h, setChildren } from '../dom.js';
import { formatDuration, formatFixed } from '../numbers.js';
import { createCurlSnippet } from '../parts/curl_snippet.js';
import { createInput, createSlider, createTextArea, renderButton } from '../parts/fields.js';
import { renderProblem } from '../parts/problem.js';
import { renderResponseMeta } from '../parts/response_meta.js';
import { fetchCard } from '../catalog.js';
import { readEvents } from '../sse.js';
import { t, translateCardText } from '../strings.js';
import { suggestPrompt } from './sample_prompts.js';

export const id = 'text';
export const { title, lead } = t.text;
export const task = 'text';

export function open({ body, chooser, onmodel, address }) {
  const same = createCurlSnippet();
  const knows = h('p', { class: 'note' });
  const prompt = createTextArea({ label: t.text.prompt, rows: 3 });
  const sampling = createSamplingFields();
  const page = h('div', { class: 'text-output', 'aria-live': 'off', tabindex: '0', role: 'region', 'aria-label': t.text.outputLabel, 'data-empty': t.text.outputPlaceholder });
  const status = h('div', { class: 'status', role: 'status' });
  let writing = null;
  let suggested = '';

  const call = () => ({
    path: '/v1/text',
    json: { prompt: prompt.value ?? '', ...chooser.value, ...sampling.value(), stream: true },
    stream: true,
  });
  const showCommand = () => same.show(call());
  const stop = renderButton(t.text.stop, () => writing?.abort());
  const write = renderButton(t.text.generate, async () => {
    writing?.abort();
    const mine = (writing = new AbortController());
    stop.disabled = false;
    showCommand();
    setChildren(status);
    await streamText(call(), mine.signal, page, status);
    if (writing === mine) stop.disabled = true;
  }, 'primary');
  stop.disabled = true;

  /** Suggest a beginning that suits the model, unless the visitor has written one. */
  const describe = async () => {
    const card = await fetchCard(chooser.name, chooser.version);
    if ((prompt.value ?? '') === suggested) prompt.set(suggestPrompt(card));
    suggested = suggestPrompt(card);
    setChildren(knows, t.text.vocabulary(translateCardText(card.summary), [...card.task.vocabulary].length), h('code', {}, showWhitespace(card.task.vocabulary)));
    showCommand();
  };
  const form = h(
    'section',
    { oninput: debounce(showCommand) },
    prompt.element,
    h('div', { class: 'actions' }, write, stop),
    sampling.element,
    knows,
  );
  prompt.input.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) write.click();
  });
  address.keep({ prompt, ...sampling.fields });
  onmodel(describe);
  describe();
  body.append(h('div', { class: 'two-columns' }, form, h('section', {}, page, status)), same.element);
  return () => writing?.abort();
}

/** Write what arrives into `page`, and at the end what it took into `status`. */
async function streamText(call, signal, page, status) {
  const text = h('span', { class: 'continuation' });
  setChildren(page, h('span', { class: 'prompt-text' }, call.json.prompt), text, h('span', { class: 'caret', 'aria-hidden': 'true' }));
  const started = performance.now();
  let [first, last, stopped] = [null, null, false];
  try {
    const response = await ask(call, signal);
    for await (const { event, data } of readEvents(response.body)) {
      if (event === 'error') throw new ApiError(JSON.parse(data));
      if (data === '[DONE]') break;
      last = JSON.parse(data);
      first ??= performance.now() - started;
      text.append(last.text);
      page.scrollTop = page.scrollHeight;
    }
  } catch (error) {
    if (error.name !== 'AbortError') return void setChildren(status, renderProblem(error));
    stopped = true;
  } finally {
    page.querySelector('.caret')?.remove();
  }
  setChildren(status, renderSummary({ call, last, stopped, first, ms: performance.now() - started, chars: [...text.textContent].length }));
}

function renderSummary({ call, last, stopped, first, ms, chars }) {
  const speed = t.text.speed(chars, Math.round(chars / (ms / 1000)), formatDuration(first ?? ms));
  if (stopped) return h('p', { class: 'response-meta' }, h('span', {}, t.text.stopped), h('span', {}, speed));
  const ended = last?.finish_reason === 'stop' ? t.text.endedAtStop : t.text.endedAtLength;
  return [
    renderResponseMeta({ ...last, call, ms, more: t.common.seedValue(last?.seed) }),
    h('p', { class: 'response-meta' }, h('span', {}, speed), h('span', {}, ended)),
  ];
}

/** {element, fields, value()}: by the names of the request's parameters. */
function createSamplingFields() {
  const show = (value) => formatFixed(value, 2);
  const fields = {
    max_chars: createSlider({ label: t.text.maxCharacters, min: 20, max: 2000, step: 20, value: 400 }),
    temperature: createSlider({ label: t.text.temperature, min: 0, max: 2, step: 0.05, value: 0.8, show, hint: t.text.temperatureHint }),
    top_p: createSlider({ label: t.text.topP, min: 0.05, max: 1, step: 0.05, value: 1, show }),
    top_k: createInput({ label: t.text.topK, type: 'number', min: 1, placeholder: t.text.topKPlaceholder }),
    seed: createInput({ label: t.common.seed, type: 'number', min: 0, placeholder: t.common.random }),
    stop: createInput({ label: t.text.stopStrings, placeholder: t.text.stopPlaceholder, hint: t.text.stopHint }),
  };
  const value = () => {
    const values = Object.fromEntries(Object.entries(fields).map(([name, one]) => [name, one.value]));
    return {
      ...values,
      top_p: values.top_p < 1 ? values.top_p : undefined,
      stop: values.stop?.replaceAll('\\n', '\n'),
    };
  };
  const [sliders, rest] = [Object.values(fields).slice(0, 3), Object.values(fields).slice(3)];
  const element = h('div', {}, sliders.map((one) => one.element), h('div', { class: 'fields' }, rest.map((one) => one.element)));
  return { element, fields, value };
}

const showWhitespace = (vocabulary) => [...vocabulary].map((one) => ({ '\n': '⏎', ' ': '␣' })[one] ?? one).join('');
