// The result of the latest request of a view. A new request cancels the pending one.

import { h, setChildren } from '../dom.js';
import { t } from '../strings.js';
import { renderButton } from './fields.js';
import { renderProblem } from './problem.js';

const INDICATOR_DELAY_MS = 300;

/**
 * Create a result area: {element, run}.
 *
 * `run(load)` awaits `load(signal)` and shows the nodes that it returns, or its error. Meanwhile, the
 * previous result stays visible, dimmed, below the elapsed time and a Cancel button.
 */
export function createAsyncResult(placeholder = t.common.resultPlaceholder) {
  const result = h('div', { class: 'result', 'aria-live': 'polite' }, h('p', { class: 'hint' }, placeholder));
  const indicator = createBusyIndicator(() => {
    pendingController?.abort();
    finish(pendingController);
    if (result.childElementCount === 1) setChildren(result, h('p', { class: 'hint' }, t.common.cancelled));
  });
  const element = h('div', { class: 'async-result' }, indicator.element, result);
  let pendingController;
  const finish = (controller) => {
    if (pendingController !== controller) return;
    pendingController = null;
    indicator.stop();
    element.removeAttribute('aria-busy');
  };
  return {
    element,
    async run(load) {
      pendingController?.abort();
      const controller = (pendingController = new AbortController());
      element.setAttribute('aria-busy', 'true');
      indicator.start();
      try {
        const content = await load(controller.signal);
        if (pendingController === controller && content) setChildren(result, content);
      } catch (error) {
        if (pendingController === controller) setChildren(result, renderProblem(error));
      } finally {
        finish(controller);
      }
    },
  };
}

/** Create a progress bar with the seconds since `start()` and a Cancel button: {element, start, stop}. */
function createBusyIndicator(onCancel) {
  const seconds = h('span', { class: 'seconds', 'aria-hidden': 'true' });
  const element = h(
    'div',
    { class: 'busy', hidden: true },
    h('span', { class: 'progress', 'aria-hidden': 'true' }),
    h('span', { role: 'status' }, t.common.working),
    seconds,
    renderButton(t.common.cancel, onCancel),
  );
  let [showTimer, tickTimer] = [0, 0];
  const stop = () => {
    clearTimeout(showTimer);
    clearInterval(tickTimer);
    element.hidden = true;
  };
  const start = () => {
    stop();
    const startedAt = Date.now();
    const tick = () => (seconds.textContent = t.common.seconds(Math.floor((Date.now() - startedAt) / 1000)));
    tick();
    tickTimer = setInterval(tick, 500);
    showTimer = setTimeout(() => (element.hidden = false), INDICATOR_DELAY_MS);
  };
  return { element, start, stop };
}
