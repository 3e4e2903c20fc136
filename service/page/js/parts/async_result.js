// One thing at a time: a newer request replaces the one under way, and an error is shown in place.

import { h, setChildren } from '../dom.js';
import { t } from '../strings.js';
import { renderButton } from './fields.js';
import { renderProblem } from './problem.js';

const SHOWN_AFTER_MS = 300;

/**
 * {element, run}. `run(work)` calls work(signal); what it returns is shown. While it is under way,
 * the last result stays, dimmed, below the seconds that have passed and a button to cancel.
 */
export function createAsyncResult(first = t.common.resultPlaceholder) {
  const result = h('div', { class: 'result', 'aria-live': 'polite' }, h('p', { class: 'hint' }, first));
  const busy = createBusyIndicator(() => {
    current?.abort();
    ended(current);
    if (result.childElementCount === 1) setChildren(result, h('p', { class: 'hint' }, t.common.cancelled));
  });
  const element = h('div', { class: 'async-result' }, busy.element, result);
  let current;
  const ended = (mine) => {
    if (current !== mine) return;
    current = null;
    busy.stop();
    element.removeAttribute('aria-busy');
  };
  return {
    element,
    async run(work) {
      current?.abort();
      const mine = (current = new AbortController());
      element.setAttribute('aria-busy', 'true');
      busy.start();
      try {
        const shown = await work(mine.signal);
        if (current === mine && shown) setChildren(result, shown);
      } catch (error) {
        if (current === mine) setChildren(result, renderProblem(error));
      } finally {
        ended(mine);
      }
    },
  };
}

/** {element, start, stop}: a moving bar, the seconds since `start`, and Cancel. */
function createBusyIndicator(cancel) {
  const seconds = h('span', { class: 'seconds', 'aria-hidden': 'true' });
  const element = h(
    'div',
    { class: 'busy', hidden: true },
    h('span', { class: 'progress', 'aria-hidden': 'true' }),
    h('span', { role: 'status' }, t.common.working),
    seconds,
    renderButton(t.common.cancel, cancel),
  );
  let [shown, ticking] = [0, 0];
  const stop = () => {
    clearTimeout(shown);
    clearInterval(ticking);
    element.hidden = true;
  };
  const start = () => {
    stop();
    const began = Date.now();
    const tick = () => (seconds.textContent = t.common.seconds(Math.floor((Date.now() - began) / 1000)));
    tick();
    ticking = setInterval(tick, 500);
    shown = setTimeout(() => (element.hidden = false), SHOWN_AFTER_MS);
  };
  return { element, start, stop };
}
