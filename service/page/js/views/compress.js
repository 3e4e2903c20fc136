// An image as a few bytes, beside what JPEG and WebP make of the same pixels.

import { fetchBlob, readModelHeaders } from '../api.js';
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
import { encodePngFile, readImage, resizeToFit, toGreyscale } from '../pixels/canvas.js';
import { encodeWithinBytes } from '../pixels/encode_to_size.js';
import { countJpegHeaderBytes } from '../pixels/strip_icc_profile.js';
import { fetchCard } from '../catalog.js';
import { t } from '../strings.js';
import { renderCodecRow } from './codec_row.js';

export const id = 'compress';
export const { title, lead } = t.compress;
export const task = 'compression';

const MAX_SIDE = 2048;
const CODE_TYPE = 'application/vnd.deepshelf.code';

export function open({ body, chooser, onmodel, address }) {
  let picked;
  let picker;
  let free;
  const same = createCurlSnippet();
  const answer = createAsyncResult();
  const place = h('section', {});
  const again = debounce(() => ask());
  const quality = createSlider({
    label: t.compress.quality, min: 1, max: 9, step: 1, value: 5, oninput: again, hint: t.compress.qualityHint,
  });
  address.keep({ quality });

  const ask = () => {
    if (!picked) return;
    answer.run(async (signal) => {
      const card = await fetchCard(chooser.name, chooser.version);
      const sent = await prepareImage(picked, card.task.image);
      const query = { ...chooser.value, ...(countQualities(card) && { quality: quality.value }) };
      const call = { path: '/v1/compress', query, form: [['image', sent.image]], save: 'image.code' };
      const { response, blob, ms } = await fetchBlob(call, signal);
      const code = new File([blob], call.save, { type: CODE_TYPE });
      const back = { path: '/v1/decompress', file: code, headers: { 'Content-Type': CODE_TYPE }, save: 'image.png' };
      same.show(call, back);
      const decompressed = await fetchBlob(back, signal);
      return [
        h('p', { class: 'result-headline' }, formatBytes(code.size)),
        await renderComparison({ ...sent, code, decompressed: decompressed.blob, loss: readPsnr(response.headers) }),
        renderSizeNote(sent.read, askForWhole),
        renderDownload(code),
        renderResponseMeta({ ...readModelHeaders(response), call, ms, more: t.compress.decompressionTime(formatDuration(decompressed.ms)) }),
      ];
    });
  };
  const askForWhole = () => {
    picked.whole = true;
    ask();
  };
  /** Images and a slider that suit the chosen model: photographs, or digits. */
  const offer = async () => {
    const { name } = chooser;
    const most = countQualities(await fetchCard(name, chooser.version));
    if (name !== chooser.name) return;
    quality.element.hidden = !most;
    if (most) quality.input.max = most;
    if (picker && free === Boolean(most)) return void ask();
    picker?.close();
    free = Boolean(most);
    picker = createImagePicker({
      samples: free ? PHOTO_SAMPLES : DIGIT_SAMPLES,
      draw: !free,
      onpick(file) {
        picked = { file, whole: false };
        ask();
      },
    });
    setChildren(place, picker.element, quality.element);
  };
  onmodel(offer);
  offer();
  body.append(h('div', { class: 'two-columns' }, place, h('section', {}, answer.element)), same.element);
  return () => picker?.close();
}

/** How many there are to choose from; 0 where there is no choice. */
const countQualities = (card) => card.task.entropy?.qualities ?? 0;

/**
 * The image as the model takes it, so that all coders get the same pixels:
 * {image, canvas, channels, read}.
 * A file that this browser cannot read is sent as it is, without a canvas.
 */
async function prepareImage({ file, whole }, spec) {
  const read = await readImage(file, whole ? Infinity : MAX_SIDE).catch(() => null);
  if (!read) return { image: file };
  if (!spec.width) {
    // As a PNG of these very pixels: a JPEG may be turned, or be decoded otherwise here.
    const name = `${file.name.replace(/\.[^.]*$/, '')}.png`;
    return { canvas: read.canvas, image: await encodePngFile(read.canvas, name), channels: 3, read };
  }
  const grey = spec.mode === 'L';
  const canvas = grey ? toGreyscale(resizeToFit(read.canvas, spec)) : resizeToFit(read.canvas, spec);
  const fits = read.width === spec.width && read.height === spec.height;
  const image = fits ? file : await encodePngFile(canvas, `image-${spec.width}x${spec.height}.png`);
  return { canvas, image, channels: grey ? 1 : 3 };
}

async function renderComparison({ canvas, image, channels, code, decompressed, loss }) {
  if (!canvas) return h('img', { class: 'preview', alt: t.compress.decompressedAlt, src: URL.createObjectURL(decompressed) });
  const limit = code.size;
  const jpeg = await encodeWithinBytes(canvas, 'image/jpeg', limit);
  const webp = await encodeWithinBytes(canvas, 'image/webp', limit);
  const pixels = canvas.width * canvas.height;
  const original = { name: t.compress.original, blob: image, bytes: pixels * channels, note: t.compress.uncompressedSize(canvas.width, canvas.height) };
  const ours = { name: t.compress.thisModel, blob: decompressed, bytes: limit, note: formatDecibels(loss) };
  const others = [['JPEG', jpeg], ['WebP', webp]].filter(([, made]) => made).map(([name, made]) => ({
    name,
    blob: made.blob,
    bytes: made.blob.size,
    note: formatDecibels(made.psnr),
    fits: made.fits,
  }));
  const tooLong = others.filter((other) => !other.fits);
  const tables = await countJpegHeaderBytes(jpeg.blob);
  const compare = createComparison([original.name, ours.name]);
  compare.show(image, decompressed);
  return [
    h('p', { class: 'hint' }, t.compress.bitsPerPixel(formatFixed((8 * limit) / pixels, 2))),
    compare.element,
    renderCodecRow([original, ours, ...others], ours),
    tooLong.length > 0 && h('p', { class: 'note' }, describeSizes(tooLong, limit, tables)),
  ];
}

/** Why the others are not of the same size, and that this is not all their fault. */
function describeSizes(others, limit, tables) {
  const each = others.map(({ name, bytes: count }) => t.compress.timesLarger(name, formatFixed(count / limit, 1)));
  return t.compress.sizeComparison(each.join(t.compress.conjunction), tables);
}

function renderDownload(code) {
  const href = URL.createObjectURL(code);
  return h('p', { class: 'actions' }, h('a', { class: 'button secondary', href, download: code.name }, t.compress.save(code.name)));
}

/** In dB; null when nothing was lost. */
function readPsnr(headers) {
  const psnr = headers.get('X-DeepShelf-PSNR-dB');
  return psnr === null ? null : Number(psnr);
}
