// Server-sent events out of a fetch, which EventSource cannot do: it knows no POST and no abort.

/** Each event as {event, data}, as it arrives (WHATWG HTML, section 9.2.6). */
export async function* readEvents(stream) {
  let rest = '';
  for await (const text of readText(stream)) {
    const blocks = (rest + text).split(/\r?\n\r?\n/);
    rest = blocks.pop();
    yield* blocks.map(parseEvent);
  }
}

async function* readText(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
}

function parseEvent(block) {
  const fields = block.split(/\r?\n/).map((line) => [line.split(':', 1)[0], line.replace(/^[^:]*: ?/, '')]);
  const values = (name) => fields.filter(([key]) => key === name).map(([, value]) => value);
  return { event: values('event').at(-1) ?? 'message', data: values('data').join('\n') };
}
