// Formatting of numbers in the language of the page.

import { language, t } from './strings.js';

export const formatFixed = (value, decimals) =>
  value.toLocaleString(language, { minimumFractionDigits: decimals, maximumFractionDigits: decimals, useGrouping: false });

/** Format a fraction from 0 to 1 as a percentage. */
export const formatPercent = (fraction) =>
  fraction >= 0.9995 ? '100 %' : `${formatFixed(fraction * 100, fraction < 0.0995 ? 2 : 1)} %`;

/** Format a PSNR, which is null for equal images. */
export const formatDecibels = (value) => (value == null ? t.common.noDifference : `${formatFixed(value, 1)} dB`);

export function formatBytes(count) {
  if (count < 1000) return t.common.byteCount(count);
  if (count < 1e6) return `${formatFixed(count / 1000, 1)} kB`;
  return `${formatFixed(count / 1e6, 1)} MB`;
}

export const formatDuration = (ms) => (ms < 1000 ? `${ms.toFixed(0)} ms` : `${formatFixed(ms / 1000, 2)} s`);

/** Format an integer with a narrow space between groups of three digits. */
export const formatCount = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, '\u202f');

/** Format a measured value with about three significant digits. */
export function formatNumber(value) {
  if (Number.isInteger(value)) return formatCount(value);
  if (Math.abs(value) >= 10) return formatFixed(value, 1);
  return value.toLocaleString(language, { maximumSignificantDigits: 3 });
}
