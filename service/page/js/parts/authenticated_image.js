// An image that the service draws, asked for like everything else: with the key, where there is one.

import { send } from '../api.js';
import { addressIn, h } from '../dom.js';

/** An image that shows the answer to `call` once it is there. */
export function served(call, properties) {
  const image = h('img', properties);
  send(call).then(
    ({ blob }) => (image.src = addressIn({}, blob)),
    (error) => (image.alt = error.message),
  );
  return image;
}
