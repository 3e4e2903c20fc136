// URL state. The hash names the view and holds its settings (#/faces?seed=7, #/models/NAME), so that
// links, reloads and the Back button restore them.

import { debounce } from './dom.js';

/**
 * Parse the hash of the current URL.
 *
 * @returns {{path: string[], params: URLSearchParams}} for example path ['models', 'NAME']
 */
export function parseHash() {
  // The models view was named `shelf` in older links.
  const hash = location.hash.replace(/^#\/?/, '').replace(/^shelf\b/, 'models');
  const [path, query = ''] = hash.split('?');
  return {
    path: path.split('/').filter(Boolean).map(decodeURIComponent),
    params: new URLSearchParams(query),
  };
}

/** Create the URL state of a view: {get, set, bindFields}. */
export function createUrlState(viewId) {
  const { params: initialParams } = parseHash();
  /** Set parameters; an empty value removes one. Does nothing once another view is shown. */
  const set = (values) => {
    const { path, params } = parseHash();
    if (path.length && path[0] !== viewId) return;
    for (const [name, value] of Object.entries(values)) {
      if (value === undefined || value === null || value === '') params.delete(name);
      else params.set(name, value);
    }
    history.replaceState(null, '', `#/${viewId}?${params}`);
  };
  return {
    get: (name) => initialParams.get(name),
    set,
    /** Initialise fields from the URL, and write their changes to it. */
    bindFields(fields) {
      for (const [name, field] of Object.entries(fields)) {
        if (initialParams.has(name)) field.set(initialParams.get(name));
        field.input.addEventListener('input', debounce(() => set({ [name]: field.value })));
      }
    },
  };
}
