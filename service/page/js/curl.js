// curl commands for the requests of api.js.

import { buildUrl } from './api.js';
import { AUTH_HEADER_PLACEHOLDER, getApiKey } from './key.js';

const MAX_LINE_LENGTH = 64;

/** Format a request as a shell command, wrapped into several lines. */
export function formatCurlCommand(request) {
  const options = [];
  if (request.stream) options.push('-N');
  for (const [name, file] of request.form ?? []) options.push(`-F ${quoteForShell(`${name}=@${quoteFormFileName(file.name)}`)}`);
  if (request.file) options.push(`--data-binary ${quoteForShell(`@${request.file.name}`)}`);
  const headers = { ...(request.json && { 'Content-Type': 'application/json' }), ...request.headers };
  for (const [name, value] of Object.entries(headers)) options.push(`-H ${quoteForShell(`${name}: ${value}`)}`);
  if (getApiKey()) options.push(`-H "${AUTH_HEADER_PLACEHOLDER}"`); // double quotes, so that the shell expands $KEY
  if (request.json) options.push(`-d ${quoteForShell(JSON.stringify(request.json))}`);
  options.push(quoteForShell(buildUrl(request).href));
  if (request.outputName) options.push(`-o ${quoteForShell(request.outputName)}`);
  return `curl ${wrapOptions(options)}`;
}

/** List the files that the command reads from its working directory. */
export const listInputFiles = (request) => (request.file ? [request.file] : (request.form ?? []).map(([, file]) => file));

const quoteForShell = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);

/** Quote a file name in -F, where curl otherwise ends it at a comma or semicolon. */
const quoteFormFileName = (name) => (/^[\w.+-]+$/.test(name) ? name : `"${name.replace(/["\\]/g, '\\$&')}"`);

function wrapOptions(options) {
  const lines = [''];
  for (const option of options) {
    const line = lines.at(-1);
    if (line && line.length + option.length > MAX_LINE_LENGTH) lines.push(option);
    else lines[lines.length - 1] = line ? `${line} ${option}` : option;
  }
  return lines.join(' \\\n     ');
}
