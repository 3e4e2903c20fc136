// Image compression with a neural codec, compared with JPEG and WebP on the same pixels.

import { fetchBlob, readModelHeaders } from '../api.js';
import { fetchCard } from '../catalog.js';
import { debounce, h, setChildren } from '../dom.js';
import { formatBytes, formatDecibels, formatDuration, formatFixed } from '../numbers.js';
import { createAsyncResult } from '../parts/async_result.js';
import { createComparison } from '../parts/compare.js';
import { createCurlSnippet } from '../parts/curl_snippet.js';
import { createSlider } from '../parts/fields.js';
import { createImagePicker } from '../parts/file_input.js';
import { renderResponseMeta } from '../parts/response_meta.js';
import { DIGIT_SAMPLES, PHOTO_SAMPLES } from '../parts/samples.js';
import { renderSizeNote } from '../parts/size_note.js';
import { encodePngFile, readImage, resizeToFit, toGrayscale } from '../pixels/canvas.js';
import { encodeWithinBytes } from '../pixels/encode_to_size.js';
import { countJpegHeaderBytes } from '../pixels/strip_icc_profile.js';
import { t } from '../strings.js';
import { renderCodecRow } from './codec_row.js';

export const id = 'compress';
export const { title, lead } = t.compress;
export const task = 'compression';

const MAX_SIDE = 2048;
const CODE_TYPE = 'application/vnd.deepshelf.code';

export function mount({ container, modelSelect, onModelChange, urlState }) {
  let picked;
  let picker;
  let hasQualities;
  const curlSnippet = createCurlSnippet();
  const result = createAsyncResult();
  const inputColumn = h('section', {});
  const quality = createSlider({
    label: t.compress.quality, min: 1, max: 9, step: 1, value: 5, oninput: debounce(() => compress()), hint: t.compress.qualityHint,
  });
  urlState.bindFields({ quality });

  const compress = () => {
    if (!picked) return;
    result.run(async (signal) => {
      const card = await fetchCard(modelSelect.name, modelSelect.version);
      const prepared = await prepareImage(picked, card.task.image);
      const query = { ...modelSelect.query, ...(countQualities(card) && { quality: quality.value }) };
      const request = { path: '/v1/compress', query, form: [['image', prepared.image]], outputName: 'image.code' };
      const { response, blob, elapsedMs } = await fetchBlob(request, signal);
      const code = new File([blob], request.outputName, { type: CODE_TYPE });
      const decompressRequest = { path: '/v1/decompress', file: code, headers: { 'Content-Type': CODE_TYPE }, outputName: 'image.png' };
      curlSnippet.show(request, decompressRequest);
      const decompressed = await fetchBlob(decompressRequest, signal);
      const extra = t.compress.decompressionTime(formatDuration(decompressed.elapsedMs));
      return [
        h('p', { class: 'result-headline' }, formatBytes(code.size)),
        await renderResult({ ...prepared, code, decompressed: decompressed.blob, psnr: readPsnr(response.headers) }),
        renderSizeNote(prepared.decoded, compressFullSize),
        renderDownloadLink(code),
        renderResponseMeta({ ...readModelHeaders(response), request, elapsedMs, extra }),
      ];
    });
  };
  const compressFullSize = () => {
    picked.isFullSize = true;
    compress();
  };
  /** Offer photos and a quality slider for models with several qualities, digits for the others. */
  const adaptToModel = async () => {
    const { name } = modelSelect;
    const qualityCount = countQualities(await fetchCard(name, modelSelect.version));
    if (name !== modelSelect.name) return; // another model was selected meanwhile
    quality.element.hidden = !qualityCount;
    if (qualityCount) quality.input.max = qualityCount;
    if (picker && hasQualities === Boolean(qualityCount)) return void compress();
    picker?.close();
    hasQualities = Boolean(qualityCount);
    picker = createImagePicker({
      samples: hasQualities ? PHOTO_SAMPLES : DIGIT_SAMPLES,
      withDrawingPad: !hasQualities,
      onPick(file) {
        picked = { file, isFullSize: false };
        compress();
      },
    });
    setChildren(inputColumn, picker.element, quality.element);
  };
  onModelChange(adaptToModel);
  adaptToModel();
  container.append(h('div', { class: 'two-columns' }, inputColumn, h('section', {}, result.element)), curlSnippet.element);
  return () => picker?.close();
}

/** Return the number of qualities that a model offers; 0 if its quality is fixed. */
const countQualities = (card) => card.task.entropy?.qualities ?? 0;

/**
 * Convert an image to the input of the model, so that all codecs encode the same pixels.
 *
 * @returns {Promise<{image: File, canvas?: HTMLCanvasElement, channels?: number, decoded?: object}>}
 *   only the unchanged `image` if the browser cannot decode it; the service supports more formats
 */
async function prepareImage({ file, isFullSize }, spec) {
  const decoded = await readImage(file, isFullSize ? Infinity : MAX_SIDE).catch(() => null);
  if (!decoded) return { image: file };
  if (!spec.width) {
    // Send the decoded pixels: the service may rotate or decode the original file differently.
    const name = `${file.name.replace(/\.[^.]*$/, '')}.png`;
    return { canvas: decoded.canvas, image: await encodePngFile(decoded.canvas, name), channels: 3, decoded };
  }
  const isGrayscale = spec.mode === 'L';
  const resized = resizeToFit(decoded.canvas, spec);
  const canvas = isGrayscale ? toGrayscale(resized) : resized;
  const hasModelSize = decoded.width === spec.width && decoded.height === spec.height;
  const image = hasModelSize ? file : await encodePngFile(canvas, `image-${spec.width}x${spec.height}.png`);
  return { canvas, image, channels: isGrayscale ? 1 : 3 };
}

/** Render the decompressed image beside the original and the encodings of JPEG and WebP. */
async function renderResult({ canvas, image, channels, code, decompressed, psnr }) {
  if (!canvas) return h('img', { class: 'preview', alt: t.compress.decompressedAlt, src: URL.createObjectURL(decompressed) });
  const jpeg = await encodeWithinBytes(canvas, 'image/jpeg', code.size);
  const webp = await encodeWithinBytes(canvas, 'image/webp', code.size);
  const pixelCount = canvas.width * canvas.height;
  const original = {
    name: t.compress.original,
    blob: image,
    bytes: pixelCount * channels,
    note: t.compress.uncompressedSize(canvas.width, canvas.height),
  };
  const modelEncoding = { name: t.compress.thisModel, blob: decompressed, bytes: code.size, note: formatDecibels(psnr) };
  const otherEncodings = [['JPEG', jpeg], ['WebP', webp]].filter(([, encoded]) => encoded).map(([name, encoded]) => ({
    name,
    blob: encoded.blob,
    bytes: encoded.blob.size,
    note: formatDecibels(encoded.psnr),
    fits: encoded.fits,
  }));
  const largerEncodings = otherEncodings.filter(({ fits }) => !fits);
  const jpegHeaderBytes = await countJpegHeaderBytes(jpeg.blob);
  const comparison = createComparison([original.name, modelEncoding.name]);
  comparison.show(image, decompressed);
  return [
    h('p', { class: 'hint' }, t.compress.bitsPerPixel(formatFixed((8 * code.size) / pixelCount, 2))),
    comparison.element,
    renderCodecRow([original, modelEncoding, ...otherEncodings], modelEncoding),
    largerEncodings.length > 0 && h('p', { class: 'note' }, describeLargerEncodings(largerEncodings, code.size, jpegHeaderBytes)),
  ];
}

/** Explain why encodings exceed the size of the model's: JPEG stores tables that the model has built in. */
function describeLargerEncodings(encodings, codeBytes, jpegHeaderBytes) {
  const factors = encodings.map(({ name, bytes }) => t.compress.timesLarger(name, formatFixed(bytes / codeBytes, 1)));
  return t.compress.sizeComparison(factors.join(t.compress.conjunction), jpegHeaderBytes);
}

function renderDownloadLink(code) {
  const href = URL.createObjectURL(code);
  return h('p', { class: 'actions' }, h('a', { class: 'button secondary', href, download: code.name }, t.compress.save(code.name)));
}

/** Return the PSNR in dB; null for lossless compression. */
function readPsnr(headers) {
  const psnr = headers.get('X-DeepShelf-PSNR-dB');
  return psnr === null ? null : Number(psnr);
}
