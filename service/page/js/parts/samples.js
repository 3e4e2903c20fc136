// Sample images of the page. The credits view names their sources.

import { t } from '../strings.js';

const CC0 = 'CC0';
const OWN_LICENCE = 'Apache-2.0';

const LICENCES = {
  'cat.jpg': CC0,
  'ship.png': OWN_LICENCE,
  'airplane.png': OWN_LICENCE,
  'horse.png': CC0,
  'coffee.jpg': CC0,
  'three.png': OWN_LICENCE,
  'five.png': OWN_LICENCE,
  'eight.png': OWN_LICENCE,
  'digits.png': OWN_LICENCE,
};

/** All samples: {name, label, url, licence}. */
export const SAMPLES = Object.entries(LICENCES).map(([name, licence]) => ({
  name,
  label: t.samples[name],
  url: new URL(`../../samples/${name}`, import.meta.url).href,
  licence,
}));
export const [CAT, SHIP, AIRPLANE, HORSE, COFFEE, ...DIGIT_SAMPLES] = SAMPLES;
export const OBJECT_SAMPLES = [CAT, SHIP, AIRPLANE, HORSE, COFFEE];
export const PHOTO_SAMPLES = [COFFEE, CAT];

export async function fetchSampleFile({ name, url }) {
  const response = await fetch(url);
  const blob = await response.blob();
  return new File([blob], name, { type: blob.type });
}
