// Images that come with the page; the credits view tells whose they are.

import { t } from '../strings.js';

const CC0 = 'CC0';
const OURS = 'Apache-2.0';

const RIGHTS = {
  'cat.jpg': CC0,
  'ship.png': OURS,
  'airplane.png': OURS,
  'horse.png': CC0,
  'coffee.jpg': CC0,
  'three.png': OURS,
  'five.png': OURS,
  'eight.png': OURS,
  'digits.png': OURS,
};

const sample = (name) => ({
  name,
  label: t.samples[name],
  url: new URL(`../../samples/${name}`, import.meta.url).href,
  rights: RIGHTS[name],
});

export const SAMPLES = Object.keys(RIGHTS).map(sample);
export const [CAT, SHIP, AIRPLANE, HORSE, COFFEE, ...DIGITS] = SAMPLES;
export const THINGS = [CAT, SHIP, AIRPLANE, HORSE, COFFEE];
export const PHOTOS = [COFFEE, CAT];

export async function fileOf({ name, url }) {
  const response = await fetch(url);
  const blob = await response.blob();
  return new File([blob], name, { type: blob.type });
}
