// One thing at a time: a newer request replaces the one under way, and an error is shown in place.

import { fill, h } from '../dom.js';
import { problemBox } from './problem.js';

/**
 * {element, run}. `run(work)` calls work(signal); what it returns is shown. While it is under way
 * the last result stays, dimmed.
 */
export function workplace(first = 'The answer appears here.') {
  const element = h('div', { class: 'answer', 'aria-live': 'polite' }, h('p', { class: 'hint' }, first));
  let current;
  return {
    element,
    async run(work) {
      current?.abort();
      const mine = (current = new AbortController());
      element.setAttribute('aria-busy', 'true');
      try {
        const result = await work(mine.signal);
        if (current === mine && result) fill(element, result);
      } catch (error) {
        if (current === mine) fill(element, problemBox(error));
      } finally {
        if (current === mine) element.removeAttribute('aria-busy');
      }
    },
  };
}
