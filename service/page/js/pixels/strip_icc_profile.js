// A browser's JPEG or WebP without the colour profile that Chromium puts into each: 456 bytes that
// say "sRGB", which is what an image without one is anyway. They would make the comparison unfair.

const SCAN = 0xda;
const PROFILE = 0xe2; // APP2

/** The same image in fewer bytes; what it does not understand it leaves alone. */
export async function stripIccProfile(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const shorter = { 'image/jpeg': stripJpeg, 'image/webp': stripWebp }[blob.type]?.(bytes);
  return shorter ? new Blob(shorter, { type: blob.type }) : blob;
}

/** Bytes of a JPEG before the coded pixels: header, tables. */
export async function countJpegHeaderBytes(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  return parseJpegSegments(bytes).reduce((sum, { length }) => sum + length, 2);
}

function stripJpeg(bytes) {
  const all = parseJpegSegments(bytes);
  const end = all.reduce((sum, { length }) => sum + length, 2);
  const kept = all.filter(({ kind }) => kind !== PROFILE);
  return [bytes.slice(0, 2), ...kept.map(({ at, length }) => bytes.slice(at, at + length)), bytes.slice(end)];
}

/** Of a JPEG, up to and with the start of the scan (ITU-T T.81, B.1.1.4). */
function parseJpegSegments(bytes) {
  const found = [];
  let at = 2;
  while (bytes[at] === 0xff && found.at(-1)?.kind !== SCAN) {
    const length = 2 + bytes[at + 2] * 256 + bytes[at + 3];
    found.push({ kind: bytes[at + 1], at, length });
    at += length;
  }
  return found;
}

/** The simple format: RIFF and one chunk VP8 (RFC 9649, 2.5). Null where there is more than that. */
function stripWebp(bytes) {
  const view = new DataView(bytes.buffer);
  const chunks = [];
  for (let at = 12; at + 8 <= bytes.length; ) {
    const length = 8 + 2 * Math.ceil(view.getUint32(at + 4, true) / 2);
    chunks.push({ kind: String.fromCharCode(...bytes.slice(at, at + 4)), at, length });
    at += length;
  }
  const others = chunks.filter(({ kind }) => !['VP8X', 'ICCP', 'VP8 '].includes(kind));
  const pixels = chunks.find(({ kind }) => kind === 'VP8 ');
  if (others.length || !pixels) return null;
  const head = bytes.slice(0, 12);
  new DataView(head.buffer).setUint32(4, pixels.length + 4, true);
  return [head, bytes.slice(pixels.at, pixels.at + pixels.length)];
}
