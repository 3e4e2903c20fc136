// Removal of the ICC profile that Chromium embeds into each JPEG and WebP that a canvas encodes. Its 456
// bytes declare sRGB, the default without a profile, and would make a comparison of file sizes unfair.

const START_OF_SCAN = 0xda;
const APP2 = 0xe2; // the segment of ICC profiles

/** Return the image without its ICC profile, or unchanged if its format is not supported. */
export async function stripIccProfile(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const parts = { 'image/jpeg': stripJpeg, 'image/webp': stripWebp }[blob.type]?.(bytes);
  return parts ? new Blob(parts, { type: blob.type }) : blob;
}

/** Return the number of bytes before the entropy-coded data of a JPEG: headers and tables. */
export async function countJpegHeaderBytes(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  return getHeaderLength(parseJpegSegments(bytes));
}

/** The start-of-image marker has 2 bytes. */
const getHeaderLength = (segments) => segments.reduce((sum, { length }) => sum + length, 2);

function stripJpeg(bytes) {
  const segments = parseJpegSegments(bytes);
  const kept = segments.filter(({ marker }) => marker !== APP2);
  return [
    bytes.slice(0, 2),
    ...kept.map(({ offset, length }) => bytes.slice(offset, offset + length)),
    bytes.slice(getHeaderLength(segments)),
  ];
}

/** Parse the segments of a JPEG up to and including the start of the scan (ITU-T T.81, B.1.1.4). */
function parseJpegSegments(bytes) {
  const segments = [];
  let offset = 2;
  while (bytes[offset] === 0xff && segments.at(-1)?.marker !== START_OF_SCAN) {
    const length = 2 + bytes[offset + 2] * 256 + bytes[offset + 3];
    segments.push({ marker: bytes[offset + 1], offset, length });
    offset += length;
  }
  return segments;
}

/**
 * Rewrite an extended WebP as the simple format: a RIFF header and one VP8 chunk (RFC 9649, 2.5).
 * Returns null if it has chunks other than VP8X, ICCP and VP8.
 */
function stripWebp(bytes) {
  const view = new DataView(bytes.buffer);
  const chunks = [];
  for (let offset = 12; offset + 8 <= bytes.length; ) {
    const length = 8 + 2 * Math.ceil(view.getUint32(offset + 4, true) / 2);
    chunks.push({ type: String.fromCharCode(...bytes.slice(offset, offset + 4)), offset, length });
    offset += length;
  }
  const hasOtherChunks = chunks.some(({ type }) => !['VP8X', 'ICCP', 'VP8 '].includes(type));
  const imageChunk = chunks.find(({ type }) => type === 'VP8 ');
  if (hasOtherChunks || !imageChunk) return null;
  const header = bytes.slice(0, 12);
  new DataView(header.buffer).setUint32(4, imageChunk.length + 4, true);
  return [header, bytes.slice(imageChunk.offset, imageChunk.offset + imageChunk.length)];
}
