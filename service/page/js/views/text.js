// A beginning, continued character by character.

import { open as ask, Problem } from '../api.js';
import { fill, h } from '../dom.js';
import { milliseconds } from '../numbers.js';
import { button, field, slider } from '../parts/fields.js';
import { problemBox } from '../parts/problem.js';
import { receipt } from '../parts/response_meta.js';
import { sameWithCurl } from '../parts/curl_snippet.js';
import { cardOf } from '../shelf.js';
import { events } from '../sse.js';
import { beginning } from './sample_prompts.js';

export const id = 'text';
export const title = 'Text';
export const lead = 'A beginning goes in, and the network writes on, one character after the other.';
export const task = 'text';

export function open({ body, chooser, onmodel }) {
  const same = sameWithCurl();
  const knows = h('p', { class: 'aside' });
  const prompt = h('textarea', { id: 'prompt', rows: 3, spellcheck: 'false' });
  const sampling = samplingFields();
  const page = h('div', { class: 'written', 'aria-live': 'off', tabindex: '0', role: 'region', 'aria-label': 'The text' });
  const status = h('div', { class: 'status', role: 'status' });
  let writing = null;

  const call = () => ({
    path: '/v1/text',
    json: { prompt: prompt.value, ...chooser.value, ...sampling.value(), stream: true },
    stream: true,
  });
  const told = () => same.show(call());
  const stop = button('Stop', () => writing?.abort());
  const write = button('Write', async () => {
    writing?.abort();
    const mine = (writing = new AbortController());
    stop.disabled = false;
    told();
    fill(status);
    await written(call(), mine.signal, page, status);
    if (writing === mine) stop.disabled = true;
  }, 'main');
  stop.disabled = true;

  const changed = async () => {
    const card = await cardOf(chooser.name, chooser.version);
    prompt.value = beginning(card);
    fill(knows, `${card.summary} It knows ${[...card.task.vocabulary].length} characters: `, h('code', {}, visible(card.task.vocabulary)));
    told();
  };
  const form = h(
    'section',
    { oninput: told },
    h('div', { class: 'field' }, h('label', { for: 'prompt' }, 'Beginning'), prompt),
    h('div', { class: 'actions' }, write, stop),
    sampling.element,
    knows,
  );
  prompt.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) write.click();
  });
  onmodel(changed);
  changed();
  body.append(h('div', { class: 'bench' }, form, h('section', {}, page, status)), same.element);
  return () => writing?.abort();
}

/** Write what comes into `page`, and at the end what it took into `status`. */
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
  const speed = `${chars} characters, ${Math.round(chars / (ms / 1000))} a second; the first after ${milliseconds(first ?? ms)}`;
  if (stopped) return h('p', { class: 'receipt' }, h('span', {}, 'Stopped'), h('span', {}, speed));
  const ended = last?.finish_reason === 'stop' ? 'ended at a stop string' : 'ended at the length';
  return [
    receipt({ ...last, call, ms, more: `seed ${last?.seed}` }),
    h('p', { class: 'receipt' }, h('span', {}, speed), h('span', {}, ended)),
  ];
}

function samplingFields() {
  const length = slider({ label: 'Characters', min: 20, max: 2000, step: 20, value: 400 });
  const temperature = slider({ label: 'Temperature', min: 0, max: 2, step: 0.05, value: 0.8, show: (value) => value.toFixed(2), hint: '0 always takes the likeliest character.' });
  const topP = slider({ label: 'Top p', min: 0.05, max: 1, step: 0.05, value: 1, show: (value) => value.toFixed(2) });
  const topK = field({ label: 'Top k', type: 'number', min: 1, placeholder: 'all' });
  const seed = field({ label: 'Seed', type: 'number', min: 0, placeholder: 'random' });
  const stop = field({ label: 'Stop at', placeholder: 'nothing', hint: 'Write \\n for a new line.' });
  const value = () => ({
    max_chars: length.value,
    temperature: temperature.value,
    top_p: topP.value < 1 ? topP.value : undefined,
    top_k: topK.value,
    seed: seed.value,
    stop: stop.value?.replaceAll('\\n', '\n'),
  });
  const rest = h('div', { class: 'fields' }, [topK, seed, stop].map((one) => one.element));
  return { element: h('div', {}, [length, temperature, topP].map((one) => one.element), rest), value };
}

const visible = (vocabulary) => [...vocabulary].map((one) => ({ '\n': '⏎', ' ': '␣' })[one] ?? one).join('');
