// Form fields with labels. All have {element, input, value}, and all but the checkbox have `set`.

import { createId, h } from '../dom.js';

/**
 * Create a slider that shows its value, formatted by `format`, beside the label. `oninput(value)` is
 * called while the slider moves, `onchange(value)` when it is released.
 */
export function createSlider({ label, min, max, step, value, format = String, hint, oninput, onchange }) {
  const id = createId('slider');
  const output = h('output', { for: id }, format(value));
  const input = h('input', { id, type: 'range', min, max, step, value });
  const updateOutput = () => {
    output.textContent = format(input.valueAsNumber);
    input.setAttribute('aria-valuetext', output.textContent);
  };
  input.addEventListener('input', () => {
    updateOutput();
    oninput?.(input.valueAsNumber);
  });
  if (onchange) input.addEventListener('change', () => onchange(input.valueAsNumber));
  updateOutput();
  const field = createLabelledField(id, [label, output], input, hint);
  const { set } = field;
  field.set = (newValue) => {
    set(newValue);
    updateOutput();
  };
  return field;
}

/** Create a single-line input; its `value` is undefined while it is empty. */
export function createInput({ label, type = 'text', hint, ...attributes }) {
  const id = createId('field');
  const input = h('input', { id, type, autocomplete: 'off', spellcheck: 'false', ...attributes });
  return createLabelledField(id, [label], input, hint);
}

/** Create a drop-down list of `options`, an array of {value, label}. */
export function createSelect({ label, options, value, onchange }) {
  const id = createId('select');
  const input = h(
    'select',
    { id, onchange: () => onchange?.(input.value) },
    options.map((option) => h('option', { value: option.value }, option.label)),
  );
  if (value !== undefined) input.value = value;
  return createLabelledField(id, [label], input);
}

/** Create a checkbox with a boolean `value`. */
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

/** Create a multi-line input; its `value` is undefined while it is empty. */
export function createTextArea({ label, ...attributes }) {
  const id = createId('text');
  return createLabelledField(id, [label], h('textarea', { id, spellcheck: 'false', ...attributes }));
}

/** @param {'primary'|'secondary'} [kind] */
export const renderButton = (text, onclick, kind = 'secondary') =>
  h('button', { type: 'button', class: `button ${kind}`, onclick }, text);

function createLabelledField(id, label, input, hint) {
  const hintElement = hint && h('small', { id: `${id}-hint` }, hint);
  if (hintElement) input.setAttribute('aria-describedby', hintElement.id);
  const isNumeric = input.type === 'range' || input.type === 'number';
  return {
    element: h('div', { class: 'field' }, h('label', { for: id }, label), input, hintElement),
    input,
    set(value) {
      input.value = value;
    },
    get value() {
      if (input.value === '') return undefined;
      return isNumeric ? input.valueAsNumber : input.value;
    },
  };
}
