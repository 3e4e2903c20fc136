// Numbers as people read them, in the language of the page.

import { language, t } from './strings.js';

/** A number with exactly so many decimals. */
export const formatFixed = (value, decimals) =>
  value.toLocaleString(language, { minimumFractionDigits: decimals, maximumFractionDigits: decimals, useGrouping: false });

export const formatPercent = (share) =>
  share >= 0.9995 ? '100 %' : `${formatFixed(share * 100, share < 0.0995 ? 2 : 1)} %`;

export const formatDecibels = (value) => (value == null ? t.common.noDifference : `${formatFixed(value, 1)} dB`);

export function formatBytes(count) {
  if (count < 1000) return t.common.byteCount(count);
  if (count < 1e6) return `${formatFixed(count / 1000, 1)} kB`;
  return `${formatFixed(count / 1e6, 1)} MB`;
}

export const formatDuration = (ms) => (ms < 1000 ? `${ms.toFixed(0)} ms` : `${formatFixed(ms / 1000, 2)} s`);

export const formatCount = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, '\u202f');

/** A metric's value: as many digits as tell something. */
export function formatNumber(value) {
  if (Number.isInteger(value)) return formatCount(value);
  if (Math.abs(value) >= 10) return formatFixed(value, 1);
  return value.toLocaleString(language, { maximumSignificantDigits: 3 });
}
