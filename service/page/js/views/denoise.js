// Noise out of an image. The browser adds noise to the samples, so that the clean image is known.

import { answered, send } from '../api.js';
import { fill, h, prose, settled } from '../dom.js';
import { decibels, fixed } from '../numbers.js';
import { workplace } from '../parts/async_result.js';
import { beforeAfter } from '../parts/compare.js';
import { sameWithCurl } from '../parts/curl_snippet.js';
import { button, slider } from '../parts/fields.js';
import { imagePicker } from '../parts/file_input.js';
import { receipt } from '../parts/response_meta.js';
import { CAT, COFFEE, DIGITS } from '../parts/samples.js';
import { sizeNote } from '../parts/size_note.js';
import { greyed, pixelsOf, pngFile, readImage, withPixels } from '../pixels/canvas.js';
import { isGrey, noisy, psnr } from '../pixels/noise.js';
import { cardOf } from '../catalog.js';
import { cardText, t } from '../strings.js';

export const id = 'denoise';
export const { title, lead } = t.denoise;
export const task = 'denoising';

const LONGEST = 1024;
const SAMPLE_NOISE = 0.1;

export function open({ body, chooser, onmodel, address }) {
  let picked;
  const same = sameWithCurl();
  const compare = beforeAfter([t.denoise.before, t.denoise.after]);
  const answer = workplace();
  const trained = h('p', { class: 'aside' });
  const sliders = noiseSliders(settled(() => ask()));
  const { noise, brighter, strength } = sliders;
  address.keep(sliders);

  const ask = () => {
    if (!picked) return;
    answer.run(async (signal) => {
      const card = await cardOf(chooser.name, chooser.version);
      const sent = await prepared(picked, card, { mean: brighter.value, deviation: noise.value });
      signal.throwIfAborted(); // a newer image was prepared sooner, and its command is shown
      const call = {
        path: '/v1/denoise',
        query: { ...chooser.value, ...(strength.value < 1 && { strength: strength.value }) },
        form: [['image', sent.image], ...(sent.reference ? [['reference', sent.reference]] : [])],
        save: 'denoised.png',
      };
      same.show(call);
      const { response, blob, ms } = await send(call, signal);
      compare.show(sent.image, blob);
      return [compare.element, quality(sent, response.headers), sizeNote(sent.read, askForWhole), receipt({ ...answered(response), call, ms, blob })];
    });
  };
  const askForWhole = () => {
    picked.whole = true;
    ask();
  };
  const describe = async () => {
    const card = await cardOf(chooser.name, chooser.version);
    fill(trained, prose(t.denoise.trained(cardText(card.task.noise), cardText(card.intended_use))));
  };
  const picker = imagePicker({
    samples: [CAT, COFFEE, ...DIGITS],
    draw: true,
    onpick(file, { own }) {
      // A visitor's own photo gets no noise, unless she asks for some.
      if (own !== Boolean(picked?.own)) noise.set(own ? 0 : SAMPLE_NOISE);
      if (own && !picked?.own) brighter.set(0);
      picked = { file, own, whole: false };
      ask();
    },
  });
  onmodel(describe);
  onmodel(ask);
  describe();
  body.append(
    h(
      'div',
      { class: 'bench' },
      h('section', {}, picker.element, noise.element, brighter.element, strength.element, h('div', { class: 'actions' }, button(t.denoise.otherNoise, ask))),
      h('section', {}, answer.element, trained),
    ),
    same.element,
  );
  return picker.close;
}

function noiseSliders(oninput) {
  const show = (value) => fixed(value, 2);
  const noise = slider({
    label: t.denoise.noise, min: 0, max: 0.8, step: 0.05, value: SAMPLE_NOISE, show, oninput, hint: t.denoise.noiseHint,
  });
  const brighter = slider({ label: t.denoise.brighter, min: 0, max: 0.5, step: 0.05, value: 0, show, oninput });
  const strength = slider({
    label: t.denoise.strength, min: 0, max: 1, step: 0.05, value: 1, show, oninput, hint: t.denoise.strengthHint,
  });
  return { noise, brighter, strength };
}

/** What is sent: the image as it is, or with noise and its clean self as the reference. */
async function prepared({ file, whole }, card, { mean, deviation }) {
  // The service reads formats that browsers do not, such as HEIC, and rejects what is no image.
  const read = await readImage(file, whole ? Infinity : LONGEST).catch(() => null);
  if (!read) return { image: file };
  if (!mean && !deviation) return { image: read.shrunk ? await pngFile(read.canvas, 'smaller.png') : file, read };
  const clean = card.task.image.mode === 'L' ? greyed(read.canvas) : read.canvas;
  const pixels = pixelsOf(clean);
  const made = noisy(pixels, { mean, deviation, grey: isGrey(pixels) });
  return {
    image: await pngFile(withPixels(made), 'noisy.png'),
    reference: await pngFile(clean, 'clean.png'),
    before: psnr(pixels, made),
    read,
  };
}

function quality({ reference, before }, headers) {
  if (!reference) return h('p', { class: 'hint' }, t.denoise.unmeasured);
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
    h('p', { class: 'hint' }, t.denoise.measured, ssim && t.denoise.ssim(fixed(Number(ssim), 3))),
  ];
}
