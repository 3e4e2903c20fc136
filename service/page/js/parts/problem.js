// An error of the service, for a person.

import { BASE, Problem } from '../api.js';
import { h } from '../dom.js';

export function problemBox(error) {
  const document = error instanceof Problem ? error.document : { title: 'The page failed', detail: String(error) };
  const kind = document.type?.startsWith('/') && new URL(document.type.slice(1), BASE).href;
  return h(
    'div',
    { class: 'problem', role: 'alert' },
    h('strong', {}, document.title, document.status && ` (${document.status})`),
    h('p', {}, sentence(document.detail)),
    document.request_id &&
      h('small', {}, 'Request ', h('code', {}, document.request_id), kind && [' · ', h('a', { href: kind }, 'what this means')]),
  );
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.');
