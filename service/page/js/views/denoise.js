// Noise out of an image. The browser adds noise to the samples, so that the clean image is known.

import { fetchBlob, readModelHeaders } from '../api.js';
import { debounce, h, renderInlineCode, setChildren } from '../dom.js';
import { formatDecibels, formatFixed } from '../numbers.js';
import { createAsyncResult } from '../parts/async_result.js';
import { createComparison } from '../parts/compare.js';
import { createCurlSnippet } from '../parts/curl_snippet.js';
import { createSlider, renderButton } from '../parts/fields.js';
import { createImagePicker } from '../parts/file_input.js';
import { renderResponseMeta } from '../parts/response_meta.js';
import { CAT, COFFEE, DIGIT_SAMPLES } from '../parts/samples.js';
import { renderSizeNote } from '../parts/size_note.js';
import { createCanvasFromPixels, encodePngFile, getPixels, readImage, toGreyscale } from '../pixels/canvas.js';
import { addNoise, computePsnr, isGreyscale } from '../pixels/noise.js';
import { fetchCard } from '../catalog.js';
import { t, translateCardText } from '../strings.js';

export const id = 'denoise';
export const { title, lead } = t.denoise;
export const task = 'denoising';

const MAX_SIDE = 1024;
const SAMPLE_NOISE = 0.1;

export function open({ body, chooser, onmodel, address }) {
  let picked;
  const same = createCurlSnippet();
  const compare = createComparison([t.denoise.before, t.denoise.after]);
  const answer = createAsyncResult();
  const trained = h('p', { class: 'note' });
  const sliders = createSliders(debounce(() => ask()));
  const { noise, brighter, strength } = sliders;
  address.keep(sliders);

  const ask = () => {
    if (!picked) return;
    answer.run(async (signal) => {
      const card = await fetchCard(chooser.name, chooser.version);
      const sent = await prepareImage(picked, card, { mean: brighter.value, deviation: noise.value });
      signal.throwIfAborted(); // a newer image was prepared sooner, and its command is shown
      const call = {
        path: '/v1/denoise',
        query: { ...chooser.value, ...(strength.value < 1 && { strength: strength.value }) },
        form: [['image', sent.image], ...(sent.reference ? [['reference', sent.reference]] : [])],
        save: 'denoised.png',
      };
      same.show(call);
      const { response, blob, ms } = await fetchBlob(call, signal);
      compare.show(sent.image, blob);
      return [compare.element, renderQuality(sent, response.headers), renderSizeNote(sent.read, askForWhole), renderResponseMeta({ ...readModelHeaders(response), call, ms, blob })];
    });
  };
  const askForWhole = () => {
    picked.whole = true;
    ask();
  };
  const describe = async () => {
    const card = await fetchCard(chooser.name, chooser.version);
    setChildren(trained, renderInlineCode(t.denoise.trainedFor(translateCardText(card.task.noise), translateCardText(card.intended_use))));
  };
  const picker = createImagePicker({
    samples: [CAT, COFFEE, ...DIGIT_SAMPLES],
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
      { class: 'two-columns' },
      h('section', {}, picker.element, noise.element, brighter.element, strength.element, h('div', { class: 'actions' }, renderButton(t.denoise.regenerateNoise, ask))),
      h('section', {}, answer.element, trained),
    ),
    same.element,
  );
  return picker.close;
}

function createSliders(oninput) {
  const show = (value) => formatFixed(value, 2);
  const noise = createSlider({
    label: t.denoise.noise, min: 0, max: 0.8, step: 0.05, value: SAMPLE_NOISE, show, oninput, hint: t.denoise.noiseHint,
  });
  const brighter = createSlider({ label: t.denoise.brightness, min: 0, max: 0.5, step: 0.05, value: 0, show, oninput });
  const strength = createSlider({
    label: t.denoise.strength, min: 0, max: 1, step: 0.05, value: 1, show, oninput, hint: t.denoise.strengthHint,
  });
  return { noise, brighter, strength };
}

/** What is sent: the image as it is, or with noise and its clean self as the reference. */
async function prepareImage({ file, whole }, card, { mean, deviation }) {
  // The service reads formats that browsers do not, such as HEIC, and rejects what is no image.
  const read = await readImage(file, whole ? Infinity : MAX_SIDE).catch(() => null);
  if (!read) return { image: file };
  if (!mean && !deviation) return { image: read.shrunk ? await encodePngFile(read.canvas, 'smaller.png') : file, read };
  const clean = card.task.image.mode === 'L' ? toGreyscale(read.canvas) : read.canvas;
  const pixels = getPixels(clean);
  const made = addNoise(pixels, { mean, deviation, grey: isGreyscale(pixels) });
  return {
    image: await encodePngFile(createCanvasFromPixels(made), 'noisy.png'),
    reference: await encodePngFile(clean, 'clean.png'),
    before: computePsnr(pixels, made),
    read,
  };
}

function renderQuality({ reference, before }, headers) {
  if (!reference) return h('p', { class: 'hint' }, t.denoise.notMeasurable);
  const after = headers.get('X-DeepShelf-PSNR-dB');
  const ssim = headers.get('X-DeepShelf-SSIM');
  return [
    h(
      'p',
      { class: 'result-headline' },
      h('span', { class: 'before' }, formatDecibels(before)),
      ' → ',
      formatDecibels(after === null ? null : Number(after)),
    ),
    h('p', { class: 'hint' }, t.denoise.psnrExplanation, ssim && t.denoise.ssim(formatFixed(Number(ssim), 3))),
  ];
}
