// Before/after comparison of two images of equal size, stacked with a movable divider.

import { h, replaceObjectUrl } from '../dom.js';
import { t } from '../strings.js';
import { renderDivider } from './divider.js';
import { openComparisonDialog } from './enlarge.js';
import { renderButton } from './fields.js';

/**
 * Create a comparison: {element, show(beforeBlob, afterBlob)}.
 *
 * @param {[string, string]} names of the image before and the image after
 */
export function createComparison(names) {
  const [before, after] = names.map((name) => h('img', { alt: name, class: 'comparison-image', draggable: 'false' }));
  const divider = renderDivider(names, (position) => images.style.setProperty('--divider-position', position));
  const images = h('div', { class: 'comparison-images' }, after, before, divider);
  divider.dispatchEvent(new Event('input'));
  const captions = h('div', { class: 'comparison-names', 'aria-hidden': 'true' }, names.map((name) => h('span', {}, name)));
  const enlargeButton = renderButton(t.compare.enlarge, () => openComparisonDialog(names, [before.src, after.src]));
  const element = h('div', { class: 'comparison' }, captions, images, enlargeButton);
  after.addEventListener('load', () => {
    element.style.setProperty('--ratio', after.naturalWidth / after.naturalHeight);
    images.classList.toggle('low-resolution', after.naturalWidth <= 320);
  });
  // Only the result is shown if the browser cannot decode the uploaded format, such as HEIC.
  before.addEventListener('error', () => element.classList.add('after-only'));
  before.addEventListener('load', () => element.classList.remove('after-only'));
  const urlHolders = [{}, {}];
  return {
    element,
    show(...blobs) {
      [before, after].forEach((image, index) => (image.src = replaceObjectUrl(urlHolders[index], blobs[index])));
    },
  };
}
