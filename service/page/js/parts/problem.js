// An error of the service, for a person.

import { BASE, Problem } from '../api.js';
import { h } from '../dom.js';
import { setKey } from '../key.js';
import { field } from './fields.js';

export function problemBox(error) {
  const document = error instanceof Problem ? error.document : { title: 'The page failed', detail: String(error) };
  const kind = document.type?.startsWith('/') && new URL(document.type.slice(1), BASE).href;
  return h(
    'div',
    { class: 'problem', role: 'alert' },
    h('strong', {}, document.title, document.status && ` (${document.status})`),
    h('p', {}, sentence(document.detail)),
    document.status === 401 && keyForm(),
    document.request_id &&
      h('small', {}, 'Request ', h('code', {}, document.request_id), kind && [' · ', h('a', { href: kind }, 'what this means')]),
  );
}

function keyForm() {
  const input = field({ label: 'Key', type: 'password', required: true, hint: 'Kept in this tab alone, until it is closed.' });
  const onsubmit = (event) => {
    event.preventDefault();
    setKey(input.value);
    location.reload();
  };
  return h('form', { onsubmit }, input.element, h('div', { class: 'actions' }, h('button', { class: 'button main' }, 'Use this key')));
}

/** A message as a sentence; the name of a parameter at its beginning, as in `top_k: …`, stays as it is. */
const sentence = (text) =>
  (/^[\w.]+: /.test(text) ? text : text.charAt(0).toUpperCase() + text.slice(1)) + (/[.!?]$/.test(text) ? '' : '.');
