// Elements without a framework: h('a', {href: '#/text', class: 'link'}, 'Text').

/**
 * An element. Properties that begin with `on` are listeners, `class` and `aria-…` are attributes,
 * and `null`, `undefined` and `false` leave one out. Children are nodes, strings or lists of them.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) setProperty(element, name, value);
  element.append(...children.flat(3).filter((child) => child != null && child !== false));
  return element;
}

function setProperty(element, name, value) {
  if (value == null || value === false) return;
  if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
  else if (name === 'value') element.value = value;
  else element.setAttribute(name, value === true ? '' : value);
}

/** Everything in `element` becomes `children`. */
export function setChildren(element, ...children) {
  element.replaceChildren(...children.flat(3).filter((child) => child != null && child !== false));
  return element;
}

/** The nodes of a text that has `code` in it. */
export const renderInlineCode = (text) => text.split('`').map((part, at) => (at % 2 ? h('code', {}, part) : part));

let last = 0;

/** An id that no other element has, for labels and descriptions. */
export const createId = (prefix) => `${prefix}-${++last}`;

/** An address for bytes that the browser holds; given up when the next one of the same slot comes. */
export function replaceObjectUrl(slot, blob) {
  if (slot.address) URL.revokeObjectURL(slot.address);
  slot.address = URL.createObjectURL(blob);
  return slot.address;
}

/** `action` once nothing has asked for it for `ms`. */
export function debounce(action, ms = 150) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...values), ms);
  };
}
