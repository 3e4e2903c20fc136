// Noise out of a picture: the browser puts it in, so that the clean picture is known.

import { answered, send } from '../api.js';
import { fill, h, settled } from '../dom.js';
import { decibels } from '../numbers.js';
import { beforeAfter } from '../parts/compare.js';
import { button, slider } from '../parts/fields.js';
import { picturePicker } from '../parts/file_input.js';
import { receipt } from '../parts/response_meta.js';
import { sameWithCurl } from '../parts/curl_snippet.js';
import { CAT, COFFEE, DIGITS } from '../parts/samples.js';
import { workplace } from '../parts/async_result.js';
import { canvasOf, greyed, pixelsOf, pngFile, withPixels } from '../pixels/canvas.js';
import { isGrey, noisy, psnr } from '../pixels/noise.js';
import { cardOf } from '../shelf.js';

export const id = 'denoise';
export const title = 'Denoise';
export const lead = 'Noise goes in here, in your browser; the network takes it out again.';
export const task = 'denoising';

const LONGEST = 1024;

export function open({ body, chooser, onmodel }) {
  let picked;
  const same = sameWithCurl();
  const compare = beforeAfter(['noisy', 'denoised']);
  const answer = workplace();
  const trained = h('p', { class: 'aside' });
  const again = settled(() => ask());
  const show = (value) => value.toFixed(2);
  const deviation = slider({
    label: 'Strength of the noise', min: 0, max: 0.8, step: 0.05, value: 0.1, show, oninput: again,
    hint: 'Standard deviation, where white is 1. With 0 and 0 your picture goes as it is.',
  });
  const mean = slider({ label: 'Brightened by', min: 0, max: 0.5, step: 0.05, value: 0, show, oninput: again });
  const strength = slider({
    label: 'Denoising strength', min: 0, max: 1, step: 0.05, value: 1, show, oninput: again,
    hint: 'Lower values leave some noise, and with it fine texture.',
  });

  const ask = () => {
    if (!picked) return;
    answer.run(async (signal) => {
      const sent = await prepared(picked, await cardOf(chooser.name, chooser.version), {
        mean: mean.value,
        deviation: deviation.value,
      });
      signal.throwIfAborted(); // a newer picture was prepared sooner, and its command is shown
      const call = {
        path: '/v1/denoise',
        query: { ...chooser.value, ...(strength.value < 1 && { strength: strength.value }) },
        form: [['image', sent.image], ...(sent.reference ? [['reference', sent.reference]] : [])],
        save: 'denoised.png',
      };
      same.show(call);
      const { response, blob, ms } = await send(call, signal);
      compare.show(sent.image, blob);
      return [quality(sent, response.headers), receipt({ ...answered(response), call, ms, blob })];
    });
  };
  const tell = async () => {
    const card = await cardOf(chooser.name, chooser.version);
    fill(trained, `Trained to remove: ${card.task.noise}. ${card.intended_use}`);
  };
  const picker = picturePicker({
    samples: [CAT, COFFEE, ...DIGITS],
    draw: true,
    onpick(file) {
      picked = file;
      ask();
    },
  });
  onmodel(tell);
  onmodel(ask);
  tell();
  body.append(
    h(
      'div',
      { class: 'bench' },
      h('section', {}, picker.element, deviation.element, mean.element, strength.element, h('div', { class: 'actions' }, button('Other noise', ask))),
      h('section', {}, compare.element, answer.element, trained),
    ),
    same.element,
  );
  return picker.close;
}

/** What is sent: the picture as it came, or with noise and its clean self as the reference. */
async function prepared(file, card, { mean, deviation }) {
  if (!mean && !deviation) return { image: file };
  const canvas = await canvasOf(file, LONGEST);
  const clean = card.task.image.mode === 'L' ? greyed(canvas) : canvas;
  const pixels = pixelsOf(clean);
  const grey = isGrey(pixels);
  const made = noisy(pixels, { mean, deviation, grey });
  return {
    image: await pngFile(withPixels(made), 'noisy.png'),
    reference: await pngFile(clean, 'clean.png'),
    before: psnr(pixels, made),
  };
}

function quality({ reference, before }, headers) {
  if (!reference) return h('p', { class: 'hint' }, 'Without the clean picture nobody can measure how well it went.');
  const after = headers.get('X-DeepShelf-PSNR-dB');
  const ssim = headers.get('X-DeepShelf-SSIM');
  return [
    h(
      'p',
      { class: 'verdict' },
      h('span', { class: 'was' }, decibels(before)),
      ' → ',
      decibels(after === null ? null : Number(after)),
    ),
    h('p', { class: 'hint' }, 'Peak signal-to-noise ratio against the clean picture, before and after', ssim && `; SSIM ${Number(ssim).toFixed(3)}`),
  ];
}
