// Numbers as people read them, in the language of the page.

import { language, t } from './strings.js';

/** A number with exactly so many decimals. */
export const fixed = (value, decimals) =>
  value.toLocaleString(language, { minimumFractionDigits: decimals, maximumFractionDigits: decimals, useGrouping: false });

export const percent = (share) =>
  share >= 0.9995 ? '100 %' : `${fixed(share * 100, share < 0.0995 ? 2 : 1)} %`;

export const decibels = (value) => (value == null ? t.common.noDifference : `${fixed(value, 1)} dB`);

export function bytes(count) {
  if (count < 1000) return t.common.bytes(count);
  if (count < 1e6) return `${fixed(count / 1000, 1)} kB`;
  return `${fixed(count / 1e6, 1)} MB`;
}

export const milliseconds = (ms) => (ms < 1000 ? `${ms.toFixed(0)} ms` : `${fixed(ms / 1000, 2)} s`);

export const grouped = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, '\u202f');

/** A metric's value: as many digits as tell something. */
export function figure(value) {
  if (Number.isInteger(value)) return grouped(value);
  if (Math.abs(value) >= 10) return fixed(value, 1);
  return value.toLocaleString(language, { maximumSignificantDigits: 3 });
}
