// JSON formatted for reading and editing.

const MAX_LINE_LENGTH = 60;

/** Format a value as JSON with one object key per line; lists that fit stay on one line. */
export function formatJson(value, indent = '') {
  const compact = JSON.stringify(value);
  const isList = Array.isArray(value);
  if (value === null || typeof value !== 'object' || (isList && compact.length <= MAX_LINE_LENGTH)) return compact;
  const innerIndent = `${indent}  `;
  const items = Object.entries(value).map(
    ([key, item]) => `${innerIndent}${isList ? '' : `${JSON.stringify(key)}: `}${formatJson(item, innerIndent)}`,
  );
  if (isList && items.every((item) => !item.includes('\n')) && typeof value[0] !== 'object') return wrapList(value, indent);
  return `${isList ? '[' : '{'}\n${items.join(',\n')}\n${indent}${isList ? ']' : '}'}`;
}

/** Format a long list of scalars with several of them per line. */
function wrapList(values, indent) {
  const lines = [''];
  for (const value of values) {
    const text = JSON.stringify(value);
    if (lines.at(-1).length + text.length > MAX_LINE_LENGTH) lines.push('');
    lines[lines.length - 1] += `${lines.at(-1) ? ', ' : ''}${text}`;
  }
  return `[\n${lines.map((line) => `${indent}  ${line}`).join(',\n')}\n${indent}]`;
}
