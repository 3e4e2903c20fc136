// The command that makes the same request as api.js does.

import { buildUrl } from './api.js';
import { AUTH_HEADER_PLACEHOLDER, getApiKey } from './key.js';

/** A call as a shell command, one option a line. */
export function formatCurlCommand(call) {
  const options = [];
  if (call.stream) options.push('-N');
  for (const [name, file] of call.form ?? []) options.push(`-F ${quoteForShell(`${name}=@${quoteFormFileName(file.name)}`)}`);
  if (call.file) options.push(`--data-binary ${quoteForShell(`@${call.file.name}`)}`);
  const headers = { ...(call.json && { 'Content-Type': 'application/json' }), ...call.headers };
  for (const [name, value] of Object.entries(headers)) options.push(`-H ${quoteForShell(`${name}: ${value}`)}`);
  if (getApiKey()) options.push(`-H "${AUTH_HEADER_PLACEHOLDER}"`); // in double quotes: the shell puts it in
  if (call.json) options.push(`-d ${quoteForShell(JSON.stringify(call.json))}`);
  options.push(quoteForShell(buildUrl(call).href));
  if (call.save) options.push(`-o ${quoteForShell(call.save)}`);
  return `curl ${wrapOptions(options)}`;
}

/** Files that the command reads from the folder where it is run. */
export const listFiles = (call) => (call.file ? [call.file] : (call.form ?? []).map(([, file]) => file));

const quoteForShell = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);

/** curl ends a form's file name at a comma or a semicolon, unless it stands in quotes. */
const quoteFormFileName = (name) => (/^[\w.+-]+$/.test(name) ? name : `"${name.replace(/["\\]/g, '\\$&')}"`);

function wrapOptions(options) {
  const all = [''];
  for (const option of options) {
    const line = all.at(-1);
    if (line && line.length + option.length > 64) all.push(option);
    else all[all.length - 1] = line ? `${line} ${option}` : option;
  }
  return all.join(' \\\n     ');
}
