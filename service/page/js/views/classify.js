// What is in this image?

import { fetchJson } from '../api.js';
import { h, setChildren } from '../dom.js';
import { createAsyncResult } from '../parts/async_result.js';
import { renderBars, renderVotes, translateLabel } from '../parts/bars.js';
import { createCurlSnippet } from '../parts/curl_snippet.js';
import { createSlider } from '../parts/fields.js';
import { createImagePicker } from '../parts/file_input.js';
import { renderResponseMeta } from '../parts/response_meta.js';
import { OBJECT_SAMPLES } from '../parts/samples.js';
import { fetchCard } from '../catalog.js';
import { t } from '../strings.js';

export const id = 'classify';
export const { title, lead } = t.classify;
export const task = 'classification';

const MAX_LISTED_LABELS = 12;

export function open({ body, chooser, onmodel, address }) {
  let file;
  const same = createCurlSnippet();
  const answer = createAsyncResult();
  const knows = h('p', { class: 'note' });
  const topK = createSlider({ label: t.classify.labelCount, min: 1, max: 10, step: 1, value: 5, onchange: () => ask() });
  address.keep({ top_k: topK });

  const ask = () => {
    if (!file) return;
    answer.run(async (signal) => {
      await fit();
      signal.throwIfAborted(); // what was asked since has shown its command
      const call = {
        path: '/v1/classify',
        query: { ...chooser.value, top_k: topK.value },
        form: [['image', file]],
      };
      same.show(call);
      const { body: told, ms } = await fetchJson(call, signal);
      const [{ predictions, members }] = told.results;
      return [
        h('p', { class: 'result-headline' }, translateLabel(predictions[0].label)),
        renderBars(predictions),
        renderVotes(members, predictions[0].label),
        renderResponseMeta({ ...told, call, ms }),
      ];
    });
  };
  /** Ask for no more labels than the model has. */
  const fit = async () => {
    const { task: does } = await fetchCard(chooser.name, chooser.version);
    topK.input.max = does.labels.length;
    topK.set(topK.value);
    setChildren(knows, t.classify.modelLabels(does.labels.length, formatLabelList(does.labels.map(translateLabel))));
  };
  const picker = createImagePicker({
    samples: OBJECT_SAMPLES,
    onpick(picked) {
      file = picked;
      ask();
    },
  });
  onmodel(ask);
  body.append(
    h('div', { class: 'two-columns' }, h('section', {}, picker.element), h('section', {}, answer.element, topK.element, knows)),
    same.element,
  );
  return picker.close;
}

function formatLabelList(labels) {
  const names = labels.slice(0, MAX_LISTED_LABELS).join(', ');
  return labels.length > MAX_LISTED_LABELS ? t.classify.andMore(names, labels.length - MAX_LISTED_LABELS) : names;
}
