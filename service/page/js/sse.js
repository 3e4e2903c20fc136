// Server-sent events from a fetch() response. EventSource supports neither POST nor cancellation.

/**
 * Yield events as they arrive (WHATWG HTML, section 9.2.6).
 *
 * @param {ReadableStream<Uint8Array>} stream
 * @returns {AsyncGenerator<{event: string, data: string}>}
 */
export async function* readEvents(stream) {
  let incomplete = '';
  for await (const text of readText(stream)) {
    const blocks = (incomplete + text).split(/\r?\n\r?\n/);
    incomplete = blocks.pop();
    yield* blocks.map(parseEvent);
  }
}

async function* readText(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) yield chunk.value;
}

function parseEvent(block) {
  const fields = block.split(/\r?\n/).map((line) => [line.split(':', 1)[0], line.replace(/^[^:]*: ?/, '')]);
  const getValues = (name) => fields.filter(([key]) => key === name).map(([, value]) => value);
  return { event: getValues('event').at(-1) ?? 'message', data: getValues('data').join('\n') };
}
