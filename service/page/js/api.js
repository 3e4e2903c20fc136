// One request, described once: `send` makes it, and curl.js writes the command that makes the same.
//
// A call is {method?, path, query?, headers?} and one kind of body at most:
//   form: [[name, File], …]   multipart
//   file: File                the whole body
//   json: {…}
// `save` names the file that curl keeps the answer in; `stream` says that it comes piece by piece.

import { authHeaders } from './key.js';
import { t } from './strings.js';

export const BASE_URL = new URL('../../', import.meta.url);

/** An answer that is an error: `document` is the problem (RFC 9457), or what comes nearest to it. */
export class ApiError extends Error {
  constructor(document) {
    super(document.detail);
    this.document = document;
  }
}

export function buildUrl(call) {
  const url = new URL(call.path.replace(/^\//, ''), BASE_URL);
  for (const [name, value] of Object.entries(call.query ?? {})) {
    if (value !== undefined && value !== '' && value !== null) url.searchParams.set(name, value);
  }
  return url;
}

/** The response, whose body is yet to be read. Throws Problem, or AbortError when `signal` says so. */
export async function fetchResponse(call, signal) {
  let response;
  try {
    response = await fetch(buildUrl(call), { method: inferMethod(call), signal, ...buildBody(call) });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError({ title: t.problem.noResponse, detail: t.problem.unreachable });
  }
  if (!response.ok) throw await parseApiError(response);
  return response;
}

/** The whole answer with the time it took: {response, blob, ms}. */
export async function fetchBlob(call, signal) {
  const started = performance.now();
  const response = await fetchResponse(call, signal);
  const blob = await response.blob();
  return { response, blob, ms: performance.now() - started };
}

/** As `send`, and `body` is the JSON in it. */
export async function fetchJson(call, signal) {
  const answer = await fetchBlob(call, signal);
  return { ...answer, body: JSON.parse(await answer.blob.text()) };
}

/** Who made an image, which has no room to tell it itself. */
export const readModelHeaders = ({ headers }) => ({
  model: headers.get('X-DeepShelf-Model'),
  version: headers.get('X-DeepShelf-Version'),
});

/** Bytes that the body of a call has, multipart's own lines aside. */
export function countBodyBytes(call) {
  if (call.form) return call.form.reduce((sum, [, file]) => sum + file.size, 0);
  if (call.json) return new Blob([JSON.stringify(call.json)]).size;
  return call.file?.size ?? 0;
}

export const inferMethod = (call) => call.method ?? (call.form || call.file || call.json ? 'POST' : 'GET');

function buildBody(call) {
  const headers = { ...authHeaders(), ...call.headers };
  if (call.form) {
    const body = new FormData();
    for (const [name, file] of call.form) body.append(name, file, file.name);
    return { headers, body };
  }
  if (call.json) {
    return { headers: { ...headers, 'Content-Type': 'application/json' }, body: JSON.stringify(call.json) };
  }
  return { headers, body: call.file };
}

async function parseApiError(response) {
  const text = await response.text();
  try {
    const document = JSON.parse(text);
    if (document.detail) return new ApiError(document);
  } catch {
    // A proxy between may answer in a shape of its own.
  }
  const detail = text.slice(0, 300) || t.problem.empty;
  return new ApiError({ title: response.statusText || t.problem.error, status: response.status, detail });
}
