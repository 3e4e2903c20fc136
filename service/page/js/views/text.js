// A beginning, continued character by character.

import { open as ask, Problem } from '../api.js';
import { fill, h, settled } from '../dom.js';
import { fixed, milliseconds } from '../numbers.js';
import { sameWithCurl } from '../parts/curl_snippet.js';
import { button, field, slider, textArea } from '../parts/fields.js';
import { problemBox } from '../parts/problem.js';
import { receipt } from '../parts/response_meta.js';
import { cardOf } from '../catalog.js';
import { events } from '../sse.js';
import { cardText, t } from '../strings.js';
import { beginning } from './sample_prompts.js';

export const id = 'text';
export const { title, lead } = t.text;
export const task = 'text';

export function open({ body, chooser, onmodel, address }) {
  const same = sameWithCurl();
  const knows = h('p', { class: 'aside' });
  const prompt = textArea({ label: t.text.prompt, rows: 3 });
  const sampling = samplingFields();
  const page = h('div', { class: 'written', 'aria-live': 'off', tabindex: '0', role: 'region', 'aria-label': t.text.written, 'data-empty': t.text.press });
  const status = h('div', { class: 'status', role: 'status' });
  let writing = null;
  let suggested = '';

  const call = () => ({
    path: '/v1/text',
    json: { prompt: prompt.value ?? '', ...chooser.value, ...sampling.value(), stream: true },
    stream: true,
  });
  const showCommand = () => same.show(call());
  const stop = button(t.text.stop, () => writing?.abort());
  const write = button(t.text.write, async () => {
    writing?.abort();
    const mine = (writing = new AbortController());
    stop.disabled = false;
    showCommand();
    fill(status);
    await written(call(), mine.signal, page, status);
    if (writing === mine) stop.disabled = true;
  }, 'main');
  stop.disabled = true;

  /** Suggest a beginning that suits the model, unless the visitor has written one. */
  const describe = async () => {
    const card = await cardOf(chooser.name, chooser.version);
    if ((prompt.value ?? '') === suggested) prompt.set(beginning(card));
    suggested = beginning(card);
    fill(knows, t.text.knows(cardText(card.summary), [...card.task.vocabulary].length), h('code', {}, visible(card.task.vocabulary)));
    showCommand();
  };
  const form = h(
    'section',
    { oninput: settled(showCommand) },
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
  body.append(h('div', { class: 'bench' }, form, h('section', {}, page, status)), same.element);
  return () => writing?.abort();
}

/** Write what arrives into `page`, and at the end what it took into `status`. */
async function written(call, signal, page, status) {
  const text = h('span', { class: 'new' });
  fill(page, h('span', { class: 'given' }, call.json.prompt), text, h('span', { class: 'caret', 'aria-hidden': 'true' }));
  const started = performance.now();
  let [first, last, stopped] = [null, null, false];
  try {
    const response = await ask(call, signal);
    for await (const { event, data } of events(response.body)) {
      if (event === 'error') throw new Problem(JSON.parse(data));
      if (data === '[DONE]') break;
      last = JSON.parse(data);
      first ??= performance.now() - started;
      text.append(last.text);
      page.scrollTop = page.scrollHeight;
    }
  } catch (error) {
    if (error.name !== 'AbortError') return void fill(status, problemBox(error));
    stopped = true;
  } finally {
    page.querySelector('.caret')?.remove();
  }
  fill(status, summary({ call, last, stopped, first, ms: performance.now() - started, chars: [...text.textContent].length }));
}

function summary({ call, last, stopped, first, ms, chars }) {
  const speed = t.text.speed(chars, Math.round(chars / (ms / 1000)), milliseconds(first ?? ms));
  if (stopped) return h('p', { class: 'receipt' }, h('span', {}, t.text.stopped), h('span', {}, speed));
  const ended = last?.finish_reason === 'stop' ? t.text.endedAtStop : t.text.endedAtLength;
  return [
    receipt({ ...last, call, ms, more: t.common.seedOf(last?.seed) }),
    h('p', { class: 'receipt' }, h('span', {}, speed), h('span', {}, ended)),
  ];
}

/** {element, fields, value()}: by the names of the request's parameters. */
function samplingFields() {
  const show = (value) => fixed(value, 2);
  const fields = {
    max_chars: slider({ label: t.text.characters, min: 20, max: 2000, step: 20, value: 400 }),
    temperature: slider({ label: t.text.temperature, min: 0, max: 2, step: 0.05, value: 0.8, show, hint: t.text.temperatureHint }),
    top_p: slider({ label: t.text.topP, min: 0.05, max: 1, step: 0.05, value: 1, show }),
    top_k: field({ label: t.text.topK, type: 'number', min: 1, placeholder: t.text.all }),
    seed: field({ label: t.common.seed, type: 'number', min: 0, placeholder: t.common.random }),
    stop: field({ label: t.text.stopAt, placeholder: t.text.nothing, hint: t.text.stopHint }),
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

const visible = (vocabulary) => [...vocabulary].map((one) => ({ '\n': '⏎', ' ': '␣' })[one] ?? one).join('');
