// JSON that a person can read and edit.

const LONGEST_LINE = 100;

/** JSON in lines that a person can edit: lists that fit into a line stay in one. */
export function jsonLines(value, indent = '') {
  const flat = JSON.stringify(value);
  if (flat === undefined || flat.length <= LONGEST_LINE || typeof value !== 'object') return flat;
  const deeper = `${indent}  `;
  const isList = Array.isArray(value);
  const parts = Object.entries(value).map(([name, one]) => `${deeper}${isList ? '' : `${JSON.stringify(name)}: `}${jsonLines(one, deeper)}`);
  if (isList && parts.every((part) => !part.includes('\n')) && typeof value[0] !== 'object') return wrapped(value, indent);
  return `${isList ? '[' : '{'}\n${parts.join(',\n')}\n${indent}${isList ? ']' : '}'}`;
}

/** A long list of plain values, several to a line. */
function wrapped(values, indent) {
  const lines = [''];
  for (const value of values) {
    const text = JSON.stringify(value);
    if (lines.at(-1).length + text.length > LONGEST_LINE) lines.push('');
    lines[lines.length - 1] += `${lines.at(-1) ? ', ' : ''}${text}`;
  }
  return `[\n${lines.map((line) => `${indent}  ${line}`).join(',\n')}\n${indent}]`;
}
