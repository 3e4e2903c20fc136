// Numbers as people read them.

export const percent = (share) =>
  share >= 0.9995 ? '100 %' : `${(share * 100).toFixed(share < 0.0995 ? 2 : 1)} %`;

export const decibels = (value) => (value == null ? 'no difference' : `${value.toFixed(1)} dB`);

export function bytes(count) {
  if (count < 1000) return `${count} bytes`;
  if (count < 1e6) return `${(count / 1000).toFixed(1)} kB`;
  return `${(count / 1e6).toFixed(1)} MB`;
}

export const milliseconds = (ms) => (ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(2)} s`);

export const grouped = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, '\u202f');

/** A metric's value: as many digits as tell something. */
export function figure(value) {
  if (Number.isInteger(value)) return grouped(value);
  return Math.abs(value) >= 10 ? value.toFixed(1) : Number(value.toPrecision(3)).toString();
}
