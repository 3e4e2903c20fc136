// JSON that a person can read and edit.

const MAX_LINE_LENGTH = 60;

/** JSON in lines: a name to a line, and lists that fit into a line stay in one. */
export function formatJson(value, indent = '') {
  const flat = JSON.stringify(value);
  const isList = Array.isArray(value);
  if (value === null || typeof value !== 'object' || (isList && flat.length <= MAX_LINE_LENGTH)) return flat;
  const deeper = `${indent}  `;
  const parts = Object.entries(value).map(([name, one]) => `${deeper}${isList ? '' : `${JSON.stringify(name)}: `}${formatJson(one, deeper)}`);
  if (isList && parts.every((part) => !part.includes('\n')) && typeof value[0] !== 'object') return wrapList(value, indent);
  return `${isList ? '[' : '{'}\n${parts.join(',\n')}\n${indent}${isList ? ']' : '}'}`;
}

/** A long list of plain values, several to a line. */
function wrapList(values, indent) {
  const lines = [''];
  for (const value of values) {
    const text = JSON.stringify(value);
    if (lines.at(-1).length + text.length > MAX_LINE_LENGTH) lines.push('');
    lines[lines.length - 1] += `${lines.at(-1) ? ', ' : ''}${text}`;
  }
  return `[\n${lines.map((line) => `${indent}  ${line}`).join(',\n')}\n${indent}]`;
}
