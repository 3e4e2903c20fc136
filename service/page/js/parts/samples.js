// Pictures that come with the page; samples/README.md tells whose they are.

const at = (name, label) => ({ name, label, url: new URL(`../../samples/${name}`, import.meta.url).href });

export const CAT = at('cat.jpg', 'a cat');
export const COFFEE = at('coffee.jpg', 'a cup of coffee');

export const THINGS = [
  CAT,
  at('ship.png', 'a ship, drawn'),
  at('airplane.png', 'an airplane, drawn'),
  at('horse.png', 'a horse’s outline'),
  COFFEE,
];

export const PHOTOS = [at('coffee.jpg', 'a cup of coffee'), at('cat.jpg', 'a cat')];

export const DIGITS = [
  at('three.png', 'a three'),
  at('five.png', 'a five'),
  at('eight.png', 'an eight'),
  at('digits.png', 'ten printed digits'),
];

export async function fileOf(sample) {
  const response = await fetch(sample.url);
  const blob = await response.blob();
  return new File([blob], sample.name, { type: blob.type });
}
