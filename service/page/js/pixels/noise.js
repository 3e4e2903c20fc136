// Gaussian noise, and the similarity of an image to a reference.

/**
 * Add Gaussian noise. The result is clipped to 0–255.
 *
 * @param {ImageData} pixels
 * @param {object} options
 * @param {number} options.mean mean of the noise; white is 1
 * @param {number} options.deviation standard deviation of the noise; white is 1
 * @param {boolean} options.isMonochrome whether to add the same noise to all three channels
 * @returns {ImageData}
 */
export function addNoise(pixels, { mean, deviation, isMonochrome }) {
  const { data, width, height } = pixels;
  const noisyData = new Uint8ClampedArray(data); // rounds and clips
  for (let i = 0; i < data.length; i += 4) {
    let noise = sampleNormal();
    for (let channel = 0; channel < 3; channel++) {
      if (channel && !isMonochrome) noise = sampleNormal();
      noisyData[i + channel] = data[i + channel] + 255 * (mean + deviation * noise);
    }
  }
  return new ImageData(noisyData, width, height);
}

/** Return whether the three channels are equal in every pixel. */
export function isGrayscale({ data }) {
  for (let i = 0; i < data.length; i += 4) {
    if (data[i] !== data[i + 1] || data[i] !== data[i + 2]) return false;
  }
  return true;
}

/** Sample from N(0, 1) with the Box–Muller transform (Box and Muller 1958). */
function sampleNormal() {
  const radius = Math.sqrt(-2 * Math.log(1 - Math.random()));
  return radius * Math.cos(2 * Math.PI * Math.random());
}

/**
 * Compute the peak signal-to-noise ratio in dB of two images of equal size; null if they are equal.
 *
 * @param {ImageData} a
 * @param {ImageData} b
 */
export function computePsnr(a, b) {
  let squaredError = 0;
  for (let i = 0; i < a.data.length; i++) {
    const isAlpha = i % 4 === 3;
    if (!isAlpha) squaredError += (a.data[i] - b.data[i]) ** 2;
  }
  if (!squaredError) return null;
  return 10 * Math.log10(255 ** 2 / (squaredError / (a.data.length * 0.75)));
}
