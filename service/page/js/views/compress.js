// A picture as a few bytes, beside what JPEG and WebP make of the same pixels.

import { answered, send } from '../api.js';
import { fill, h, settled } from '../dom.js';
import { bytes, decibels } from '../numbers.js';
import { slider } from '../parts/fields.js';
import { picturePicker } from '../parts/file_input.js';
import { receipt } from '../parts/response_meta.js';
import { sameWithCurl } from '../parts/curl_snippet.js';
import { DIGITS, PHOTOS } from '../parts/samples.js';
import { workplace } from '../parts/async_result.js';
import { withinBytes } from '../pixels/encode_to_size.js';
import { canvasOf, fitted, greyed, pngFile } from '../pixels/canvas.js';
import { overhead } from '../pixels/strip_icc_profile.js';
import { cardOf } from '../shelf.js';
import { codedRow } from './codec_row.js';

export const id = 'compress';
export const title = 'Compress';
export const lead = 'A picture as a code of a few bytes, and back: beside JPEG and WebP.';
export const task = 'compression';

const LONGEST = 2048;
const CODE_TYPE = 'application/vnd.deepshelf.code';

export function open({ body, chooser, onmodel }) {
  let picked;
  let picker;
  let free;
  const same = sameWithCurl();
  const answer = workplace();
  const place = h('section', {});
  const again = settled(() => ask());
  const quality = slider({
    label: 'Quality', min: 1, max: 9, step: 1, value: 5, oninput: again,
    hint: 'The lowest takes the fewest bytes.',
  });

  const ask = () => {
    if (!picked) return;
    answer.run(async (signal) => {
      const card = await cardOf(chooser.name, chooser.version);
      const { image, canvas } = await prepared(picked, card.task.image);
      const query = { ...chooser.value, ...(qualities(card) && { quality: quality.value }) };
      const call = { path: '/v1/compress', query, form: [['image', image]], save: 'picture.code' };
      const { response, blob, ms } = await send(call, signal);
      const code = new File([blob], call.save, { type: CODE_TYPE });
      const back = { path: '/v1/decompress', file: code, headers: { 'Content-Type': CODE_TYPE }, save: 'picture.png' };
      same.show(call, back);
      const picture = await send(back, signal);
      return [
        h('p', { class: 'verdict' }, bytes(code.size)),
        h('p', { class: 'hint' }, `${((8 * code.size) / (canvas.width * canvas.height)).toFixed(2)} bits a pixel, everything in the code counted`),
        await compared({ canvas, image, code, picture: picture.blob, loss: loss(response.headers) }),
        download(code),
        receipt({ ...answered(response), call, ms, more: `${picture.ms.toFixed(0)} ms back again` }),
      ];
    });
  };
  /** Pictures and a slider that suit the chosen model: photographs, or digits. */
  const offer = async () => {
    const { name } = chooser;
    const most = qualities(await cardOf(name, chooser.version));
    if (name !== chooser.name) return;
    quality.element.hidden = !most;
    if (most) quality.input.max = most;
    if (picker && free === Boolean(most)) return ask();
    picker?.close();
    free = Boolean(most);
    picker = picturePicker({
      samples: free ? PHOTOS : DIGITS,
      draw: !free,
      onpick(file) {
        picked = file;
        ask();
      },
    });
    fill(place, picker.element, quality.element);
  };
  onmodel(offer);
  offer();
  body.append(h('div', { class: 'bench' }, place, h('section', {}, answer.element)), same.element);
  return () => picker?.close();
}

/** How many there are to choose from; 0 where there is no choice. */
const qualities = (card) => card.task.entropy?.qualities ?? 0;

/** The picture as the model takes it, so that all coders get the same pixels. */
async function prepared(file, spec) {
  const came = await canvasOf(file, LONGEST);
  if (!spec.width) {
    // As a PNG of these very pixels: a JPEG may be turned, or be decoded otherwise here.
    return { canvas: came, image: await pngFile(came, `${file.name.replace(/\.[^.]*$/, '')}.png`) };
  }
  const grey = spec.mode === 'L';
  const canvas = grey ? greyed(fitted(came, spec)) : fitted(came, spec);
  const fits = came.width === spec.width && came.height === spec.height;
  return { canvas, image: fits ? file : await pngFile(canvas, `picture-${spec.width}x${spec.height}.png`) };
}

async function compared({ canvas, image, code, picture, loss }) {
  const limit = code.size;
  const jpeg = await withinBytes(canvas, 'image/jpeg', limit);
  const webp = await withinBytes(canvas, 'image/webp', limit);
  const original = { name: 'Original', blob: image, bytes: canvas.width * canvas.height, note: `${canvas.width} × ${canvas.height} pixels, uncoded` };
  const ours = { name: 'This model', blob: picture, bytes: limit, note: decibels(loss) };
  const others = [['JPEG', jpeg], ['WebP', webp]].filter(([, made]) => made).map(([name, made]) => ({
    name,
    blob: made.blob,
    bytes: made.blob.size,
    note: decibels(made.psnr),
    fits: made.fits,
  }));
  const tooLong = others.filter((other) => !other.fits);
  const tables = await overhead(jpeg.blob);
  return [
    h('div', { class: 'coded' }, [original, ours, ...others].map(codedRow)),
    tooLong.length > 0 && h('p', { class: 'aside' }, honest(tooLong, limit, tables)),
  ];
}

/** Why the others are not of the same size, and that this is not all their fault. */
function honest(others, limit, tables) {
  const each = others.map(({ name, bytes: count }) => `${name} takes ${(count / limit).toFixed(1)} times as many bytes`);
  return (
    `Even at the lowest quality that this browser has, and with the colour profile cut out, ${each.join(' and ')}. ` +
    `Of the JPEG, ${tables} bytes are header and tables, before the first pixel; here, what both sides must know lies in the model.`
  );
}

function download(code) {
  const href = URL.createObjectURL(code);
  return h('p', { class: 'actions' }, h('a', { class: 'button quiet', href, download: code.name }, `Save ${code.name}`));
}

/** In dB; null when nothing was lost. */
function loss(headers) {
  const psnr = headers.get('X-DeepShelf-PSNR-dB');
  return psnr === null ? null : Number(psnr);
}
