// The curl commands equivalent to a view's requests, with links to the files that they read.

import { formatCurlCommand, listInputFiles } from '../curl.js';
import { h, setChildren } from '../dom.js';
import { t } from '../strings.js';

const FEEDBACK_MS = 1600;

/** Create a panel, hidden until `show(...requests)` fills it: {element, show}. */
export function createCurlSnippet() {
  const command = h('pre', { class: 'command', tabindex: '0', 'aria-label': t.common.curlTitle });
  const fileLinks = h('p', { class: 'files' });
  const onclick = () => copyToClipboard(copyButton, command.textContent);
  const copyButton = h('button', { type: 'button', class: 'copy', onclick }, t.common.copy);
  const element = h(
    'section',
    { class: 'curl-snippet', hidden: true },
    h('header', {}, h('h2', {}, t.common.curlTitle), copyButton),
    command,
    fileLinks,
  );
  const objectUrls = [];
  return {
    element,
    show(...requests) {
      element.hidden = false;
      command.textContent = requests.map(formatCurlCommand).join('\n');
      objectUrls.splice(0).forEach(URL.revokeObjectURL);
      setChildren(fileLinks, renderFileLinks(requests.flatMap(listInputFiles), objectUrls));
    },
  };
}

/** Render a download link for each file, and append their object URLs to `objectUrls`. */
function renderFileLinks(files, objectUrls) {
  if (!files.length) return [];
  const links = [...new Map(files.map((file) => [file.name, file])).values()].map((file) => {
    const href = URL.createObjectURL(file);
    objectUrls.push(href);
    return [' ', h('a', { href, download: file.name }, file.name)];
  });
  return [t.common.saveInputFiles, links];
}

/** Copy `text` to the clipboard and show the outcome on `button` for a moment. */
export async function copyToClipboard(button, text) {
  const label = button.dataset.text ?? (button.dataset.text = button.textContent);
  button.textContent = (await writeClipboard(text)) ? t.common.copied : t.common.copyManually;
  setTimeout(() => (button.textContent = label), FEEDBACK_MS);
}

/** Return whether the text was copied. */
async function writeClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // The Clipboard API needs a secure context; the deprecated command works over plain HTTP too.
    const textArea = h('textarea', { class: 'visually-hidden', value: text, 'aria-hidden': 'true' });
    document.body.append(textArea);
    textArea.select();
    const isCopied = document.execCommand('copy');
    textArea.remove();
    return isCopied;
  }
}
