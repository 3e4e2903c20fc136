// Labelled inputs.

import { createId, h } from '../dom.js';

/** A slider with its value beside the label: {element, input, value, set}. */
export function createSlider({ label, min, max, step, value, show = String, hint, oninput, onchange }) {
  const id = createId('slider');
  const output = h('output', { for: id }, show(value));
  const input = h('input', { id, type: 'range', min, max, step, value });
  const told = () => {
    output.textContent = show(input.valueAsNumber);
    input.setAttribute('aria-valuetext', output.textContent);
  };
  input.addEventListener('input', () => {
    told();
    oninput?.(input.valueAsNumber);
  });
  if (onchange) input.addEventListener('change', () => onchange(input.valueAsNumber));
  told();
  const made = createLabelledField(id, [label, output], input, hint, 'field field-slider');
  const set = made.set;
  made.set = (value) => {
    set(value);
    told();
  };
  return made;
}

/** A field of one line: {element, input, value, set}. `value` is undefined when it is empty. */
export function createInput({ label, type = 'text', hint, ...attributes }) {
  const id = createId('field');
  const input = h('input', { id, type, autocomplete: 'off', spellcheck: 'false', ...attributes });
  return createLabelledField(id, [label], input, hint, 'field');
}

/** A choice among {value, label}. */
export function createSelect({ label, options, value, onchange }) {
  const id = createId('choice');
  const input = h(
    'select',
    { id, onchange: () => onchange?.(input.value) },
    options.map((one) => h('option', { value: one.value }, one.label)),
  );
  if (value !== undefined) input.value = value;
  return createLabelledField(id, [label], input, undefined, 'field');
}

/** A box to tick: {element, input, value: true or false}. */
export function createCheckbox({ label, checked, onchange }) {
  const input = h('input', { type: 'checkbox', checked, onchange });
  return {
    element: h('div', { class: 'field checkbox' }, h('label', {}, input, label)),
    input,
    get value() {
      return input.checked;
    },
  };
}

export const renderButton = (text, onclick, kind = 'secondary') =>
  h('button', { type: 'button', class: `button ${kind}`, onclick }, text);

/** A text of several lines, as a field. */
export function createTextArea({ label, ...attributes }) {
  const id = createId('text');
  return createLabelledField(id, [label], h('textarea', { id, spellcheck: 'false', ...attributes }), undefined, 'field');
}

function createLabelledField(id, label, input, hint, kind) {
  const note = hint && h('small', { id: `${id}-hint` }, hint);
  if (note) input.setAttribute('aria-describedby', note.id);
  const numeric = input.type === 'range' || input.type === 'number';
  return {
    element: h('div', { class: kind }, h('label', { for: id }, label), input, note),
    input,
    set(value) {
      input.value = value;
    },
    get value() {
      if (input.value === '') return undefined;
      return numeric ? input.valueAsNumber : input.value;
    },
  };
}
