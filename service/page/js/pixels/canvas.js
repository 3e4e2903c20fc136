// Images as pixels: from a file, in grey, brought to a size, as PNG.

/**
 * An image that this browser can read, no side over `longest`: {canvas, width, height, shrunk} with
 * the size that it had. Throws when the browser cannot read it.
 */
export async function readImage(file, longest = Infinity) {
  const bitmap = await createImageBitmap(file);
  const { width, height } = bitmap;
  const scale = Math.min(1, longest / Math.max(width, height));
  const canvas = createCanvas(Math.round(width * scale), Math.round(height * scale));
  getWhiteContext(canvas).drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return { canvas, width, height, shrunk: scale < 1 };
}

export function createCanvas(width, height) {
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, width);
  canvas.height = Math.max(1, height);
  return canvas;
}

/** A context to draw with: white below what is transparent, as the service lays it. */
function getWhiteContext(canvas) {
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.imageSmoothingQuality = 'high';
  context.fillStyle = '#fff';
  context.fillRect(0, 0, canvas.width, canvas.height);
  return context;
}

export const getPixels = (canvas) =>
  canvas.getContext('2d', { willReadFrequently: true }).getImageData(0, 0, canvas.width, canvas.height);

/** The canvas in grey, by the luma that Pillow's mode L has (ITU-R 601-2). */
export function toGreyscale(canvas) {
  const pixels = getPixels(canvas);
  const { data } = pixels;
  for (let i = 0; i < data.length; i += 4) {
    const luma = (data[i] * 19595 + data[i + 1] * 38470 + data[i + 2] * 7471 + 0x8000) >> 16;
    data[i] = data[i + 1] = data[i + 2] = luma;
  }
  return createCanvasFromPixels(pixels);
}

export function createCanvasFromPixels(pixels) {
  const canvas = createCanvas(pixels.width, pixels.height);
  canvas.getContext('2d', { willReadFrequently: true }).putImageData(pixels, 0, 0);
  return canvas;
}

/** The canvas at width × height by a card's rule: stretch, crop the centre, or pad with black. */
export function resizeToFit(canvas, { width, height, resize }) {
  const target = createCanvas(width, height);
  const context = getWhiteContext(target);
  context.fillStyle = '#000';
  context.fillRect(0, 0, width, height);
  const perX = canvas.width / width;
  const perY = canvas.height / height;
  const per = resize === 'pad' ? Math.max(perX, perY) : Math.min(perX, perY);
  const shown = resize === 'stretch' ? [width, height] : [canvas.width / per, canvas.height / per];
  const [w, h] = shown.map((side) => Math.max(1, Math.round(side)));
  context.drawImage(canvas, Math.round((width - w) / 2), Math.round((height - h) / 2), w, h);
  return target;
}

/** The canvas as a file of `type`; null where this browser cannot write that type. */
export async function encodeCanvas(canvas, type, quality) {
  const blob = await new Promise((done) => canvas.toBlob(done, type, quality));
  return blob?.type === type ? blob : null;
}

export async function encodePngFile(canvas, name) {
  return new File([await encodeCanvas(canvas, 'image/png')], name, { type: 'image/png' });
}
