// The command that makes the same request as api.js does.

import { address } from './api.js';
import { key, PLACEHOLDER } from './key.js';

/** A call as a shell command, one option a line. */
export function curl(call) {
  const options = [];
  if (call.stream) options.push('-N');
  for (const [name, file] of call.form ?? []) options.push(`-F ${quoted(`${name}=@${inForm(file.name)}`)}`);
  if (call.file) options.push(`--data-binary ${quoted(`@${call.file.name}`)}`);
  const headers = { ...(call.json && { 'Content-Type': 'application/json' }), ...call.headers };
  for (const [name, value] of Object.entries(headers)) options.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (key()) options.push(`-H "${PLACEHOLDER}"`); // in double quotes: the shell puts it in
  if (call.json) options.push(`-d ${quoted(JSON.stringify(call.json))}`);
  options.push(quoted(address(call).href));
  if (call.save) options.push(`-o ${quoted(call.save)}`);
  return `curl ${lines(options)}`;
}

/** Files that the command reads from the folder where it is run. */
export const filesOf = (call) => (call.file ? [call.file] : (call.form ?? []).map(([, file]) => file));

const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);

/** curl ends a form's file name at a comma or a semicolon, unless it stands in quotes. */
const inForm = (name) => (/^[\w.+-]+$/.test(name) ? name : `"${name.replace(/["\\]/g, '\\$&')}"`);

function lines(options) {
  const all = [''];
  for (const option of options) {
    const line = all.at(-1);
    if (line && line.length + option.length > 64) all.push(option);
    else all[all.length - 1] = line ? `${line} ${option}` : option;
  }
  return all.join(' \\\n     ');
}
