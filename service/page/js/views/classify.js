// What is in this image?

import { sendForJson } from '../api.js';
import { fill, h } from '../dom.js';
import { workplace } from '../parts/async_result.js';
import { bars, labelName, votes } from '../parts/bars.js';
import { sameWithCurl } from '../parts/curl_snippet.js';
import { slider } from '../parts/fields.js';
import { imagePicker } from '../parts/file_input.js';
import { receipt } from '../parts/response_meta.js';
import { THINGS } from '../parts/samples.js';
import { cardOf } from '../catalog.js';
import { t } from '../strings.js';

export const id = 'classify';
export const { title, lead } = t.classify;
export const task = 'classification';

const LISTED = 12;

export function open({ body, chooser, onmodel, address }) {
  let file;
  const same = sameWithCurl();
  const answer = workplace();
  const knows = h('p', { class: 'aside' });
  const topK = slider({ label: t.classify.labels, min: 1, max: 10, step: 1, value: 5, onchange: () => ask() });
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
      const { body: told, ms } = await sendForJson(call, signal);
      const [{ predictions, members }] = told.results;
      return [
        h('p', { class: 'verdict' }, labelName(predictions[0].label)),
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
    topK.set(topK.value);
    fill(knows, t.classify.knows(does.labels.length, listed(does.labels.map(labelName))));
  };
  const picker = imagePicker({
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
  const names = labels.slice(0, LISTED).join(', ');
  return labels.length > LISTED ? t.classify.more(names, labels.length - LISTED) : names;
}
