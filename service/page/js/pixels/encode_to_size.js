// Encoding with the browser's own JPEG or WebP encoder within a byte budget.

import { encodeCanvas, getPixels, readImage } from './canvas.js';
import { computePsnr } from './noise.js';
import { stripIccProfile } from './strip_icc_profile.js';

const SEARCH_STEPS = 8;

/**
 * Encode at the highest quality that fits into `maxBytes`, found by bisection, or at the lowest
 * quality if none fits.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {'image/jpeg'|'image/webp'} type
 * @param {number} maxBytes
 * @returns {Promise<?{blob: Blob, quality: number, fits: boolean, psnr: ?number}>} null if the browser
 *   cannot encode `type`
 */
export async function encodeWithinBytes(canvas, type, maxBytes) {
  if (!(await encodeCanvas(canvas, type, 0))) return null;
  const encode = async (quality) => stripIccProfile(await encodeCanvas(canvas, type, quality));
  let best = await encode(0);
  let [bestQuality, low, high] = [0, 0, 1];
  for (let step = 0; step < SEARCH_STEPS && best.size <= maxBytes; step++) {
    const quality = (low + high) / 2;
    const blob = await encode(quality);
    if (blob.size <= maxBytes) [best, bestQuality, low] = [blob, quality, quality];
    else high = quality;
  }
  const decodedPixels = getPixels((await readImage(best)).canvas);
  const psnr = computePsnr(getPixels(canvas), decodedPixels);
  return { blob: best, quality: bestQuality, fits: best.size <= maxBytes, psnr };
}
