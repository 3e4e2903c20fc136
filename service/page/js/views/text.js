// Text generation, streamed character by character.

import { ApiError, fetchResponse } from '../api.js';
import { fetchCard } from '../catalog.js';
import { debounce, h, setChildren } from '../dom.js';
import { formatDuration, formatFixed } from '../numbers.js';
import { createCurlSnippet } from '../parts/curl_snippet.js';
import { createInput, createSlider, createTextArea, renderButton } from '../parts/fields.js';
import { renderProblem } from '../parts/problem.js';
import { renderResponseMeta } from '../parts/response_meta.js';
import { readEvents } from '../sse.js';
import { t, translateCardText } from '../strings.js';
import { suggestPrompt } from './sample_prompts.js';

export const id = 'text';
export const { title, lead } = t.text;
export const task = 'text';

export function mount({ container, modelSelect, onModelChange, urlState }) {
  const curlSnippet = createCurlSnippet();
  const vocabularyNote = h('p', { class: 'note' });
  const prompt = createTextArea({ label: t.text.prompt, rows: 3 });
  const sampling = createSamplingFields();
  const output = h('div', {
    class: 'text-output', 'aria-live': 'off', tabindex: '0', role: 'region', 'aria-label': t.text.outputLabel,
    'data-empty': t.text.outputPlaceholder,
  });
  const status = h('div', { class: 'status', role: 'status' });
  let pendingController = null;
  let suggestedPrompt = '';

  const buildRequest = () => ({
    path: '/v1/text',
    json: { prompt: prompt.value ?? '', ...modelSelect.query, ...sampling.getParams(), stream: true },
    stream: true,
  });
  const showCommand = () => curlSnippet.show(buildRequest());
  const stopButton = renderButton(t.text.stop, () => pendingController?.abort());
  const generateButton = renderButton(t.text.generate, async () => {
    pendingController?.abort();
    const controller = (pendingController = new AbortController());
    stopButton.disabled = false;
    showCommand();
    setChildren(status);
    await streamText(buildRequest(), controller.signal, output, status);
    if (pendingController === controller) stopButton.disabled = true;
  }, 'primary');
  stopButton.disabled = true;

  /** Show the model's vocabulary, and suggest a prompt unless the visitor has written one. */
  const showModel = async () => {
    const card = await fetchCard(modelSelect.name, modelSelect.version);
    if ((prompt.value ?? '') === suggestedPrompt) prompt.set(suggestPrompt(card));
    suggestedPrompt = suggestPrompt(card);
    const { vocabulary } = card.task;
    setChildren(
      vocabularyNote,
      t.text.vocabulary(translateCardText(card.summary), [...vocabulary].length),
      h('code', {}, showWhitespace(vocabulary)),
    );
    showCommand();
  };
  const form = h(
    'section',
    { oninput: debounce(showCommand) },
    prompt.element,
    h('div', { class: 'actions' }, generateButton, stopButton),
    sampling.element,
    vocabularyNote,
  );
  prompt.input.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) generateButton.click();
  });
  urlState.bindFields({ prompt, ...sampling.fields });
  onModelChange(showModel);
  showModel();
  container.append(h('div', { class: 'two-columns' }, form, h('section', {}, output, status)), curlSnippet.element);
  return () => pendingController?.abort();
}

/** Stream the generated text into `output`, then show speed and finish reason, or the error, in `status`. */
async function streamText(request, signal, output, status) {
  const continuation = h('span', { class: 'continuation' });
  const caret = h('span', { class: 'caret', 'aria-hidden': 'true' });
  setChildren(output, h('span', { class: 'prompt-text' }, request.json.prompt), continuation, caret);
  const startedAt = performance.now();
  let [firstTextMs, lastChunk, isStopped] = [null, null, false];
  try {
    const response = await fetchResponse(request, signal);
    for await (const { event, data } of readEvents(response.body)) {
      if (event === 'error') throw new ApiError(JSON.parse(data));
      if (data === '[DONE]') break;
      lastChunk = JSON.parse(data);
      firstTextMs ??= performance.now() - startedAt;
      continuation.append(lastChunk.text);
      output.scrollTop = output.scrollHeight;
    }
  } catch (error) {
    if (error.name !== 'AbortError') return void setChildren(status, renderProblem(error));
    isStopped = true;
  } finally {
    caret.remove();
  }
  const elapsedMs = performance.now() - startedAt;
  const characterCount = [...continuation.textContent].length;
  setChildren(status, renderSummary({ request, lastChunk, isStopped, firstTextMs, elapsedMs, characterCount }));
}

function renderSummary({ request, lastChunk, isStopped, firstTextMs, elapsedMs, characterCount }) {
  const charactersPerSecond = Math.round(characterCount / (elapsedMs / 1000));
  const speed = t.text.speed(characterCount, charactersPerSecond, formatDuration(firstTextMs ?? elapsedMs));
  if (isStopped) return h('p', { class: 'response-meta' }, h('span', {}, t.text.stopped), h('span', {}, speed));
  const finishReason = lastChunk?.finish_reason === 'stop' ? t.text.endedAtStop : t.text.endedAtLength;
  return [
    renderResponseMeta({ ...lastChunk, request, elapsedMs, extra: t.common.seedValue(lastChunk?.seed) }),
    h('p', { class: 'response-meta' }, h('span', {}, speed), h('span', {}, finishReason)),
  ];
}

/** Create the fields of the sampling parameters, by their names in the request: {element, fields, getParams}. */
function createSamplingFields() {
  const format = (value) => formatFixed(value, 2);
  const sliders = {
    max_chars: createSlider({ label: t.text.maxCharacters, min: 20, max: 2000, step: 20, value: 400 }),
    temperature: createSlider({
      label: t.text.temperature, min: 0, max: 2, step: 0.05, value: 0.8, format, hint: t.text.temperatureHint,
    }),
    top_p: createSlider({ label: t.text.topP, min: 0.05, max: 1, step: 0.05, value: 1, format }),
  };
  const inputs = {
    top_k: createInput({ label: t.text.topK, type: 'number', min: 1, placeholder: t.text.topKPlaceholder }),
    seed: createInput({ label: t.common.seed, type: 'number', min: 0, placeholder: t.common.random }),
    stop: createInput({ label: t.text.stopStrings, placeholder: t.text.stopPlaceholder, hint: t.text.stopHint }),
  };
  const fields = { ...sliders, ...inputs };
  const getParams = () => {
    const params = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.value]));
    return {
      ...params,
      top_p: params.top_p < 1 ? params.top_p : undefined,
      stop: params.stop?.replaceAll('\\n', '\n'),
    };
  };
  const getElements = (group) => Object.values(group).map(({ element }) => element);
  const element = h('div', {}, getElements(sliders), h('div', { class: 'fields' }, getElements(inputs)));
  return { element, fields, getParams };
}

/** Replace line breaks and spaces by visible symbols. */
const showWhitespace = (text) => [...text].map((character) => ({ '\n': '⏎', ' ': '␣' })[character] ?? character).join('');
