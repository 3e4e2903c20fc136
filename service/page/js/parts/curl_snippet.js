// "The same with curl": the command under each action, and the files that it names.

import { h, setChildren } from '../dom.js';
import { formatCurlCommand, listFiles } from '../curl.js';
import { t } from '../strings.js';

/** {element, show(...calls)}. */
export function createCurlSnippet() {
  const code = h('pre', { class: 'command', tabindex: '0', 'aria-label': t.common.curlTitle });
  const files = h('p', { class: 'files' });
  const copy = h('button', { type: 'button', class: 'copy', onclick: () => copyToClipboard(copy, code.textContent) }, t.common.copy);
  const element = h(
    'section',
    { class: 'curl-snippet', hidden: true },
    h('header', {}, h('h2', {}, t.common.curlTitle), copy),
    code,
    files,
  );
  const made = [];
  return {
    element,
    show(...calls) {
      element.hidden = false;
      code.textContent = calls.map(formatCurlCommand).join('\n');
      made.splice(0).forEach(URL.revokeObjectURL);
      setChildren(files, renderFileLinks(calls.flatMap(listFiles), made));
    },
  };
}

function renderFileLinks(files, made) {
  if (!files.length) return [];
  const links = [...new Map(files.map((file) => [file.name, file])).values()].map((file) => {
    const href = URL.createObjectURL(file);
    made.push(href);
    return [' ', h('a', { href, download: file.name }, file.name)];
  });
  return [t.common.saveInputFiles, links];
}

/** Put `text` on the clipboard, and say on `button` that it is there. */
export async function copyToClipboard(button, text) {
  const before = button.dataset.text ?? (button.dataset.text = button.textContent);
  button.textContent = (await writeClipboard(text)) ? t.common.copied : t.common.copyManually;
  setTimeout(() => (button.textContent = before), 1600);
}

async function writeClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Over plain HTTP from another machine there is no clipboard; the old way still works there.
    const area = h('textarea', { class: 'visually-hidden', value: text, 'aria-hidden': 'true' });
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}
