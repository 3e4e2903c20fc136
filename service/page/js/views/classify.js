// What is in this picture?

import { sendForJson } from '../api.js';
import { fill, h } from '../dom.js';
import { bars, votes } from '../parts/bars.js';
import { slider } from '../parts/fields.js';
import { picturePicker } from '../parts/file_input.js';
import { receipt } from '../parts/response_meta.js';
import { sameWithCurl } from '../parts/curl_snippet.js';
import { THINGS } from '../parts/samples.js';
import { workplace } from '../parts/async_result.js';
import { cardOf } from '../shelf.js';

export const id = 'classify';
export const title = 'Classify';
export const lead = 'What does a picture show? The bars are the model’s own probabilities.';
export const task = 'classification';

export function open({ body, chooser, onmodel }) {
  let file;
  const same = sameWithCurl();
  const answer = workplace();
  const knows = h('p', { class: 'aside' });
  const topK = slider({ label: 'Labels', min: 1, max: 10, step: 1, value: 5, onchange: () => ask() });

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
      const { body: told, ms } = await sendForJson(call, signal);
      const [{ predictions, members }] = told.results;
      return [
        h('p', { class: 'verdict' }, predictions[0].label),
        bars(predictions),
        votes(members, predictions[0].label),
        receipt({ ...told, call, ms }),
      ];
    });
  };
  /** Ask for no more labels than the model has. */
  const fit = async () => {
    const { task: does } = await cardOf(chooser.name, chooser.version);
    topK.input.max = does.labels.length;
    topK.input.dispatchEvent(new Event('input'));
    fill(knows, `It knows ${does.labels.length} labels and nothing else: ${listed(does.labels)}.`);
  };
  const picker = picturePicker({
    samples: THINGS,
    onpick(picked) {
      file = picked;
      ask();
    },
  });
  onmodel(ask);
  body.append(
    h('div', { class: 'bench' }, h('section', {}, picker.element), h('section', {}, answer.element, topK.element, knows)),
    same.element,
  );
  return picker.close;
}

function listed(labels) {
  const some = labels.slice(0, 12);
  return labels.length > some.length ? `${some.join(', ')} and ${labels.length - some.length} more` : some.join(', ');
}
