// An error of the service, for a person.

import { BASE, Problem } from '../api.js';
import { h } from '../dom.js';
import { setKey } from '../key.js';
import { t } from '../strings.js';
import { field } from './fields.js';

export function problemBox(error) {
  const document = error instanceof Problem ? error.document : { title: t.problem.pageFailed, detail: String(error) };
  const kind = document.type?.startsWith('/') && new URL(document.type.slice(1), BASE).href;
  return h(
    'div',
    { class: 'problem', role: 'alert' },
    h('strong', {}, document.title, document.status && ` (${document.status})`),
    h('p', {}, sentence(document.detail)),
    document.status === 401 && keyForm(),
    document.request_id &&
      h('small', {}, `${t.problem.request} `, h('code', {}, document.request_id), kind && [' · ', h('a', { href: kind }, t.problem.meaning)]),
  );
}

function keyForm() {
  const input = field({ label: t.problem.key, type: 'password', required: true, hint: t.problem.keyHint });
  const onsubmit = (event) => {
    event.preventDefault();
    setKey(input.value);
    location.reload();
  };
  return h('form', { onsubmit }, input.element, h('div', { class: 'actions' }, h('button', { class: 'button main' }, t.problem.useKey)));
}

/** With a full stop. The first word stays as it is: it is often the name of a parameter. */
const sentence = (text) => text + (/[.!?]$/.test(text) ? '' : '.');
