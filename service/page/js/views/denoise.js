// Denoising. The browser adds noise to the samples itself, so that the clean image is known.

import { fetchBlob, readModelHeaders } from '../api.js';
import { fetchCard } from '../catalog.js';
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
import { createCanvasFromPixels, encodePngFile, getPixels, readImage, toGrayscale } from '../pixels/canvas.js';
import { addNoise, computePsnr, isGrayscale } from '../pixels/noise.js';
import { t, translateCardText } from '../strings.js';

export const id = 'denoise';
export const { title, lead } = t.denoise;
export const task = 'denoising';

const MAX_SIDE = 1024;
const SAMPLE_NOISE = 0.1;

export function mount({ container, modelSelect, onModelChange, urlState }) {
  let picked;
  const curlSnippet = createCurlSnippet();
  const comparison = createComparison([t.denoise.before, t.denoise.after]);
  const result = createAsyncResult();
  const trainingNote = h('p', { class: 'note' });
  const { noise, brightness, strength } = createSliders(debounce(() => denoise()));
  urlState.bindFields({ noise, brighter: brightness, strength });

  const denoise = () => {
    if (!picked) return;
    result.run(async (signal) => {
      const card = await fetchCard(modelSelect.name, modelSelect.version);
      const prepared = await prepareImage(picked, card, { mean: brightness.value, deviation: noise.value });
      signal.throwIfAborted(); // a newer image was ready first, and its command is shown
      const request = {
        path: '/v1/denoise',
        query: { ...modelSelect.query, ...(strength.value < 1 && { strength: strength.value }) },
        form: [['image', prepared.image], ...(prepared.reference ? [['reference', prepared.reference]] : [])],
        outputName: 'denoised.png',
      };
      curlSnippet.show(request);
      const { response, blob, elapsedMs } = await fetchBlob(request, signal);
      comparison.show(prepared.image, blob);
      return [
        comparison.element,
        renderQuality(prepared, response.headers),
        renderSizeNote(prepared.decoded, denoiseFullSize),
        renderResponseMeta({ ...readModelHeaders(response), request, elapsedMs, blob }),
      ];
    });
  };
  const denoiseFullSize = () => {
    picked.isFullSize = true;
    denoise();
  };
  const showTrainingNote = async () => {
    const card = await fetchCard(modelSelect.name, modelSelect.version);
    const text = t.denoise.trainedFor(translateCardText(card.task.noise), translateCardText(card.intended_use));
    setChildren(trainingNote, renderInlineCode(text));
  };
  const picker = createImagePicker({
    samples: [CAT, COFFEE, ...DIGIT_SAMPLES],
    withDrawingPad: true,
    onPick(file, { isOwn }) {
      // By default, samples get noise and the visitor's own images do not.
      if (isOwn !== Boolean(picked?.isOwn)) noise.set(isOwn ? 0 : SAMPLE_NOISE);
      if (isOwn && !picked?.isOwn) brightness.set(0);
      picked = { file, isOwn, isFullSize: false };
      denoise();
    },
  });
  onModelChange(showTrainingNote);
  onModelChange(denoise);
  showTrainingNote();
  const actions = h('div', { class: 'actions' }, renderButton(t.denoise.regenerateNoise, denoise));
  container.append(
    h(
      'div',
      { class: 'two-columns' },
      h('section', {}, picker.element, noise.element, brightness.element, strength.element, actions),
      h('section', {}, result.element, trainingNote),
    ),
    curlSnippet.element,
  );
  return picker.close;
}

function createSliders(oninput) {
  const format = (value) => formatFixed(value, 2);
  const noise = createSlider({
    label: t.denoise.noise, min: 0, max: 0.8, step: 0.05, value: SAMPLE_NOISE, format, oninput, hint: t.denoise.noiseHint,
  });
  const brightness = createSlider({ label: t.denoise.brightness, min: 0, max: 0.5, step: 0.05, value: 0, format, oninput });
  const strength = createSlider({
    label: t.denoise.strength, min: 0, max: 1, step: 0.05, value: 1, format, oninput, hint: t.denoise.strengthHint,
  });
  return { noise, brightness, strength };
}

/**
 * Add noise to an image, unless `mean` and `deviation` are 0.
 *
 * @returns {Promise<{image: File, reference?: File, psnrBefore?: number, decoded?: object}>}
 *   `reference` is the clean image and `psnrBefore` the noisy image's PSNR, if noise was added
 */
async function prepareImage({ file, isFullSize }, card, { mean, deviation }) {
  // The service decodes more formats than browsers do, such as HEIC, and rejects other files.
  const decoded = await readImage(file, isFullSize ? Infinity : MAX_SIDE).catch(() => null);
  if (!decoded) return { image: file };
  if (!mean && !deviation) {
    return { image: decoded.isScaledDown ? await encodePngFile(decoded.canvas, 'smaller.png') : file, decoded };
  }
  const clean = card.task.image.mode === 'L' ? toGrayscale(decoded.canvas) : decoded.canvas;
  const cleanPixels = getPixels(clean);
  const noisyPixels = addNoise(cleanPixels, { mean, deviation, isMonochrome: isGrayscale(cleanPixels) });
  return {
    image: await encodePngFile(createCanvasFromPixels(noisyPixels), 'noisy.png'),
    reference: await encodePngFile(clean, 'clean.png'),
    psnrBefore: computePsnr(cleanPixels, noisyPixels),
    decoded,
  };
}

/** Render PSNR and SSIM against the clean image, if there is one. */
function renderQuality({ reference, psnrBefore }, headers) {
  if (!reference) return h('p', { class: 'hint' }, t.denoise.notMeasurable);
  const psnrAfter = headers.get('X-DeepShelf-PSNR-dB');
  const ssim = headers.get('X-DeepShelf-SSIM');
  return [
    h(
      'p',
      { class: 'result-headline' },
      h('span', { class: 'before' }, formatDecibels(psnrBefore)),
      ' → ',
      formatDecibels(psnrAfter === null ? null : Number(psnrAfter)),
    ),
    h('p', { class: 'hint' }, t.denoise.psnrExplanation, ssim && t.denoise.ssim(formatFixed(Number(ssim), 3))),
  ];
}
