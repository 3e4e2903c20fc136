// Decoding, converting, resizing and encoding of images with canvases.

/**
 * Decode an image file, scaled down so that no side exceeds `maxSide`.
 *
 * @param {Blob} file
 * @param {number} [maxSide] in pixels
 * @returns {Promise<{canvas: HTMLCanvasElement, width: number, height: number, isScaledDown: boolean}>}
 *   `width` and `height` are the original size
 * @throws {DOMException} if the browser cannot decode the file
 */
export async function readImage(file, maxSide = Infinity) {
  const bitmap = await createImageBitmap(file);
  const { width, height } = bitmap;
  const scale = Math.min(1, maxSide / Math.max(width, height));
  const canvas = createCanvas(Math.round(width * scale), Math.round(height * scale));
  getContextOnWhite(canvas).drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return { canvas, width, height, isScaledDown: scale < 1 };
}

export function createCanvas(width, height) {
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, width);
  canvas.height = Math.max(1, height);
  return canvas;
}

/** Fill the canvas with white, on which the service composites transparent pixels too, and return its context. */
function getContextOnWhite(canvas) {
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.imageSmoothingQuality = 'high';
  context.fillStyle = '#fff';
  context.fillRect(0, 0, canvas.width, canvas.height);
  return context;
}

/** @returns {ImageData} */
export const getPixels = (canvas) =>
  canvas.getContext('2d', { willReadFrequently: true }).getImageData(0, 0, canvas.width, canvas.height);

/** Convert to greyscale with the luma coefficients of Pillow's mode L (ITU-R BT.601). */
export function toGrayscale(canvas) {
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

/**
 * Resize to the input size of a model.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {object} spec the `image` of a model card's task
 * @param {number} spec.width
 * @param {number} spec.height
 * @param {'stretch'|'crop'|'pad'} spec.resize crop keeps the centre, pad adds black borders
 */
export function resizeToFit(canvas, { width, height, resize }) {
  const target = createCanvas(width, height);
  const context = getContextOnWhite(target);
  context.fillStyle = '#000';
  context.fillRect(0, 0, width, height);
  const ratioX = canvas.width / width;
  const ratioY = canvas.height / height;
  const ratio = resize === 'pad' ? Math.max(ratioX, ratioY) : Math.min(ratioX, ratioY);
  const size = resize === 'stretch' ? [width, height] : [canvas.width / ratio, canvas.height / ratio];
  const [drawnWidth, drawnHeight] = size.map((side) => Math.max(1, Math.round(side)));
  const [x, y] = [Math.round((width - drawnWidth) / 2), Math.round((height - drawnHeight) / 2)];
  context.drawImage(canvas, x, y, drawnWidth, drawnHeight);
  return target;
}

/** Encode as `type`. Resolves to null if the browser cannot encode that type. */
export async function encodeCanvas(canvas, type, quality) {
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, type, quality));
  return blob?.type === type ? blob : null;
}

export async function encodePngFile(canvas, name) {
  return new File([await encodeCanvas(canvas, 'image/png')], name, { type: 'image/png' });
}
