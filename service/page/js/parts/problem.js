// An error of the service, for a person.

import { ApiError, BASE_URL } from '../api.js';
import { h } from '../dom.js';
import { setApiKey } from '../key.js';
import { t } from '../strings.js';
import { createInput } from './fields.js';

export function renderProblem(error) {
  const document = error instanceof ApiError ? error.document : { title: t.problem.pageFailed, detail: String(error) };
  const kind = document.type?.startsWith('/') && new URL(document.type.slice(1), BASE_URL).href;
  return h(
    'div',
    { class: 'problem', role: 'alert' },
    h('strong', {}, document.title, document.status && ` (${document.status})`),
    h('p', {}, endWithFullStop(document.detail)),
    document.status === 401 && renderApiKeyForm(),
    document.request_id &&
      h('small', {}, `${t.problem.request} `, h('code', {}, document.request_id), kind && [' · ', h('a', { href: kind }, t.problem.explanation)]),
  );
}

function renderApiKeyForm() {
  const input = createInput({ label: t.problem.key, type: 'password', required: true, hint: t.problem.keyHint });
  const onsubmit = (event) => {
    event.preventDefault();
    setApiKey(input.value);
    location.reload();
  };
  return h('form', { onsubmit }, input.element, h('div', { class: 'actions' }, h('button', { class: 'button primary' }, t.problem.useKey)));
}

/** With a full stop. The first word stays as it is: it is often the name of a parameter. */
const endWithFullStop = (text) => text + (/[.!?]$/.test(text) ? '' : '.');
