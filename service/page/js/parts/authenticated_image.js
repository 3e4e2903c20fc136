// An image that the service draws, asked for like everything else: with the key, where there is one.

import { fetchBlob } from '../api.js';
import { h, replaceObjectUrl } from '../dom.js';

/** An image that shows the answer to `call` once it is there. */
export function renderAuthenticatedImage(call, properties) {
  const image = h('img', properties);
  fetchBlob(call).then(
    ({ blob }) => (image.src = replaceObjectUrl({}, blob)),
    (error) => (image.alt = error.message),
  );
  return image;
}
