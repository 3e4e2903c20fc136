// What the address says: #/faces?seed=7 or #/models/NAME. Views keep their settings there, so that a
// link, a reload and the Back button show the same again.

import { debounce } from './dom.js';

/** {path: ['models', 'NAME'], parameters}. */
export function parseHash() {
  // Older links name the view of the models `shelf`.
  const hash = location.hash.replace(/^#\/?/, '').replace(/^shelf\b/, 'models');
  const [path, query = ''] = hash.split('?');
  return {
    path: path.split('/').filter(Boolean).map(decodeURIComponent),
    parameters: new URLSearchParams(query),
  };
}

/** The part of the address that belongs to `view`. */
export function createUrlState(view) {
  const { parameters } = parseHash();
  /** Set parameters; an empty value removes one. Does nothing once another view is shown. */
  const remember = (values) => {
    const now = parseHash();
    if (now.path.length && now.path[0] !== view) return;
    for (const [name, value] of Object.entries(values)) {
      if (value === undefined || value === null || value === '') now.parameters.delete(name);
      else now.parameters.set(name, value);
    }
    history.replaceState(null, '', `#/${view}?${now.parameters}`);
  };
  return {
    get: (name) => parameters.get(name),
    remember,
    /** Start each field with the address's value, and write changes to the address. */
    keep(fields) {
      for (const [name, field] of Object.entries(fields)) {
        if (parameters.has(name)) field.set(parameters.get(name));
        field.input.addEventListener('input', debounce(() => remember({ [name]: field.value })));
      }
    },
  };
}
