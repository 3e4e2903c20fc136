// Error messages, with a form for the API key when the service requires one.

import { ApiError, BASE_URL } from '../api.js';
import { h } from '../dom.js';
import { setApiKey } from '../key.js';
import { t } from '../strings.js';
import { createInput } from './fields.js';

/** Render an ApiError, or any other error as a failure of the page. */
export function renderProblem(error) {
  const problem = error instanceof ApiError ? error.problem : { title: t.problem.pageFailed, detail: String(error) };
  const explanationUrl = problem.type?.startsWith('/') && new URL(problem.type.slice(1), BASE_URL).href;
  return h(
    'div',
    { class: 'problem', role: 'alert' },
    h('strong', {}, problem.title, problem.status && ` (${problem.status})`),
    h('p', {}, endWithFullStop(problem.detail)),
    problem.status === 401 && renderApiKeyForm(),
    problem.request_id &&
      h(
        'small',
        {},
        `${t.problem.request} `,
        h('code', {}, problem.request_id),
        explanationUrl && [' · ', h('a', { href: explanationUrl }, t.problem.explanation)],
      ),
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

/** The first word is not capitalised: it is often the name of a parameter. */
const endWithFullStop = (text) => text + (/[.!?]$/.test(text) ? '' : '.');
