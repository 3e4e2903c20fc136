// DOM helpers used instead of a framework, such as h('a', { href: '#/text', class: 'link' }, 'Text').
//
// Naming convention of the page: `create…` functions return a component, an object with its root
// `element` and methods; `render…` functions return nodes; `format…` functions return text.

/**
 * Create an element. Properties that start with `on` become event listeners, the rest attributes;
 * `null`, `undefined` and `false` are skipped, among the children too.
 *
 * @param {string} tag
 * @param {Object<string, *>} [properties]
 * @param {...(Node|string|Array)} children nodes, strings or (nested) arrays of them
 * @returns {HTMLElement}
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) setProperty(element, name, value);
  return setChildren(element, ...children);
}

function setProperty(element, name, value) {
  if (value == null || value === false) return;
  if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
  else if (name === 'value') element.value = value;
  else element.setAttribute(name, value === true ? '' : value);
}

/** Replace the children of `element`; `null`, `undefined` and `false` are skipped. Returns `element`. */
export function setChildren(element, ...children) {
  element.replaceChildren(...children.flat(3).filter((child) => child != null && child !== false));
  return element;
}

/** Turn text with `code` between backticks into nodes. */
export const renderInlineCode = (text) => text.split('`').map((part, index) => (index % 2 ? h('code', {}, part) : part));

let lastId = 0;

/** Return an unused element id, to connect labels and descriptions with inputs. */
export const createId = (prefix) => `${prefix}-${++lastId}`;

/**
 * Return an object URL for `blob` and revoke the previous URL of the same holder.
 *
 * @param {{url?: string}} urlHolder keeps the current URL between calls
 * @param {Blob} blob
 */
export function replaceObjectUrl(urlHolder, blob) {
  if (urlHolder.url) URL.revokeObjectURL(urlHolder.url);
  urlHolder.url = URL.createObjectURL(blob);
  return urlHolder.url;
}

/** Return a function that calls `callback` once it has not been called for `delayMs`. */
export function debounce(callback, delayMs = 150) {
  let timer;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => callback(...args), delayMs);
  };
}
