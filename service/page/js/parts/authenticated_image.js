// Images that are fetched with the API key, which an <img src> would not send.

import { fetchBlob } from '../api.js';
import { h, replaceObjectUrl } from '../dom.js';

/** Render an <img> that shows the response to `request` once it arrives, or the error as its alt text. */
export function renderAuthenticatedImage(request, properties) {
  const image = h('img', properties);
  fetchBlob(request).then(
    ({ blob }) => (image.src = replaceObjectUrl({}, blob)),
    (error) => (image.alt = error.message),
  );
  return image;
}
