// Gaussian noise, and how far it is from the clean image.

/**
 * Pixels with N(mean, deviation) added, in units of white = 1, clipped to bytes. `grey` puts the
 * same noise on all three channels.
 */
export function addNoise(pixels, { mean, deviation, grey }) {
  const { data, width, height } = pixels;
  const out = new Uint8ClampedArray(data); // clips and rounds
  for (let i = 0; i < data.length; i += 4) {
    let noise = sampleNormal();
    for (let channel = 0; channel < 3; channel++) {
      if (channel && !grey) noise = sampleNormal();
      out[i + channel] = data[i + channel] + 255 * (mean + deviation * noise);
    }
  }
  return new ImageData(out, width, height);
}

/** Whether all three channels are equal everywhere. */
export function isGreyscale({ data }) {
  for (let i = 0; i < data.length; i += 4) {
    if (data[i] !== data[i + 1] || data[i] !== data[i + 2]) return false;
  }
  return true;
}

/** A draw from N(0, 1): Box and Muller 1958. */
function sampleNormal() {
  const radius = Math.sqrt(-2 * Math.log(1 - Math.random()));
  return radius * Math.cos(2 * Math.PI * Math.random());
}

/** Peak signal-to-noise ratio in dB of two images of one size; null when they are equal. */
export function computePsnr(a, b) {
  let sum = 0;
  for (let i = 0; i < a.data.length; i++) {
    if (i % 4 !== 3) sum += (a.data[i] - b.data[i]) ** 2;
  }
  if (!sum) return null;
  return 10 * Math.log10(255 ** 2 / (sum / (a.data.length * 0.75)));
}
