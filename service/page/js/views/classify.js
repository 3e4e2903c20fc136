// Image classification.

import { fetchJson } from '../api.js';
import { fetchCard } from '../catalog.js';
import { h, setChildren } from '../dom.js';
import { createAsyncResult } from '../parts/async_result.js';
import { renderBars, renderVotes, translateLabel } from '../parts/bars.js';
import { createCurlSnippet } from '../parts/curl_snippet.js';
import { createSlider } from '../parts/fields.js';
import { createImagePicker } from '../parts/file_input.js';
import { renderResponseMeta } from '../parts/response_meta.js';
import { OBJECT_SAMPLES } from '../parts/samples.js';
import { t } from '../strings.js';

export const id = 'classify';
export const { title, lead } = t.classify;
export const task = 'classification';

const MAX_LISTED_LABELS = 12;

export function mount({ container, modelSelect, onModelChange, urlState }) {
  let file;
  const curlSnippet = createCurlSnippet();
  const result = createAsyncResult();
  const labelNote = h('p', { class: 'note' });
  const topK = createSlider({ label: t.classify.labelCount, min: 1, max: 10, step: 1, value: 5, onchange: () => classify() });
  urlState.bindFields({ top_k: topK });

  const classify = () => {
    if (!file) return;
    result.run(async (signal) => {
      await showLabels();
      signal.throwIfAborted(); // a newer request has shown its command
      const request = {
        path: '/v1/classify',
        query: { ...modelSelect.query, top_k: topK.value },
        form: [['image', file]],
      };
      curlSnippet.show(request);
      const { body, elapsedMs } = await fetchJson(request, signal);
      const [{ predictions, members }] = body.results;
      return [
        h('p', { class: 'result-headline' }, translateLabel(predictions[0].label)),
        renderBars(predictions),
        renderVotes(members, predictions[0].label),
        renderResponseMeta({ ...body, request, elapsedMs }),
      ];
    });
  };
  /** List the labels of the model, and limit the slider to their number. */
  const showLabels = async () => {
    const { task: { labels } } = await fetchCard(modelSelect.name, modelSelect.version);
    topK.input.max = labels.length;
    topK.set(topK.value);
    setChildren(labelNote, t.classify.modelLabels(labels.length, formatLabelList(labels.map(translateLabel))));
  };
  const picker = createImagePicker({
    samples: OBJECT_SAMPLES,
    onPick(pickedFile) {
      file = pickedFile;
      classify();
    },
  });
  onModelChange(classify);
  container.append(
    h(
      'div',
      { class: 'two-columns' },
      h('section', {}, picker.element),
      h('section', {}, result.element, topK.element, labelNote),
    ),
    curlSnippet.element,
  );
  return picker.close;
}

function formatLabelList(labels) {
  const names = labels.slice(0, MAX_LISTED_LABELS).join(', ');
  return labels.length > MAX_LISTED_LABELS ? t.classify.andMore(names, labels.length - MAX_LISTED_LABELS) : names;
}
