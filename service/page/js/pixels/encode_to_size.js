// What a format of the browser's makes of an image when it may use only so many bytes.

import { encodeCanvas, getPixels, readImage } from './canvas.js';
import { stripIccProfile } from './strip_icc_profile.js';
import { computePsnr } from './noise.js';

const STEPS = 8;

/**
 * The best quality that fits into `limit` bytes, or the smallest file when none does:
 * {blob, quality, fits, psnr}. Null where the browser cannot write `type`.
 */
export async function encodeWithinBytes(canvas, type, limit) {
  if (!(await encodeCanvas(canvas, type, 0))) return null;
  const made = async (quality) => stripIccProfile(await encodeCanvas(canvas, type, quality));
  let best = await made(0);
  let [quality, low, high] = [0, 0, 1];
  for (let step = 0; step < STEPS && best.size <= limit; step++) {
    const middle = (low + high) / 2;
    const blob = await made(middle);
    if (blob.size <= limit) [best, quality, low] = [blob, middle, middle];
    else high = middle;
  }
  const back = getPixels((await readImage(best)).canvas);
  return { blob: best, quality, fits: best.size <= limit, psnr: computePsnr(getPixels(canvas), back) };
}
