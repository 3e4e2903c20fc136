// HTTP requests to the service. A request is a plain object, so that it can be sent from here and
// shown as a command by curl.js.

import { getAuthHeaders } from './key.js';
import { t } from './strings.js';

/**
 * @typedef {object} ApiRequest
 * @property {string} path
 * @property {string} [method] default: POST with a body, GET without
 * @property {Object<string, *>} [query] empty values are left out
 * @property {Object<string, string>} [headers]
 * @property {Array<[string, File]>} [form] multipart body; at most one of form, file and json is set
 * @property {File} [file] raw body
 * @property {object} [json] JSON body
 * @property {string} [outputName] name of the file in which curl saves the response
 * @property {boolean} [stream] whether the response is a stream of server-sent events
 */

export const BASE_URL = new URL('../../', import.meta.url);

/** An error response. `problem` is its problem document (RFC 9457), or a substitute of that shape. */
export class ApiError extends Error {
  constructor(problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

/** @param {ApiRequest} request */
export function buildUrl(request) {
  const url = new URL(request.path.replace(/^\//, ''), BASE_URL);
  for (const [name, value] of Object.entries(request.query ?? {})) {
    if (value !== undefined && value !== '' && value !== null) url.searchParams.set(name, value);
  }
  return url;
}

/**
 * Send a request and resolve once the headers have arrived, with the body unread.
 *
 * @param {ApiRequest} request
 * @param {AbortSignal} [signal]
 * @returns {Promise<Response>}
 * @throws {ApiError} on a network error or an error response; AbortError when `signal` is aborted
 */
export async function fetchResponse(request, signal) {
  let response;
  try {
    response = await fetch(buildUrl(request), { method: getMethod(request), signal, ...buildBody(request) });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError({ title: t.problem.noResponse, detail: t.problem.unreachable });
  }
  if (!response.ok) throw await parseApiError(response);
  return response;
}

/**
 * Like fetchResponse, but reads the body and measures the round trip.
 *
 * @returns {Promise<{response: Response, blob: Blob, elapsedMs: number}>}
 */
export async function fetchBlob(request, signal) {
  const startedAt = performance.now();
  const response = await fetchResponse(request, signal);
  const blob = await response.blob();
  return { response, blob, elapsedMs: performance.now() - startedAt };
}

/** Like fetchBlob, with the parsed JSON in `body`. */
export async function fetchJson(request, signal) {
  const result = await fetchBlob(request, signal);
  return { ...result, body: JSON.parse(await result.blob.text()) };
}

/** Return the {model, version} that responded, from the headers: an image has no field for them. */
export const readModelHeaders = ({ headers }) => ({
  model: headers.get('X-DeepShelf-Model'),
  version: headers.get('X-DeepShelf-Version'),
});

/** Return the size of a request's body, without the boundaries and part headers of multipart. */
export function countBodyBytes(request) {
  if (request.form) return request.form.reduce((sum, [, file]) => sum + file.size, 0);
  if (request.json) return new Blob([JSON.stringify(request.json)]).size;
  return request.file?.size ?? 0;
}

const getMethod = (request) => request.method ?? (request.form || request.file || request.json ? 'POST' : 'GET');

/** Return the `headers` and `body` options of fetch(). */
function buildBody(request) {
  const headers = { ...getAuthHeaders(), ...request.headers };
  if (request.form) {
    const body = new FormData();
    for (const [name, file] of request.form) body.append(name, file, file.name);
    return { headers, body };
  }
  if (request.json) {
    return { headers: { ...headers, 'Content-Type': 'application/json' }, body: JSON.stringify(request.json) };
  }
  return { headers, body: request.file };
}

async function parseApiError(response) {
  const text = await response.text();
  try {
    const problem = JSON.parse(text);
    if (problem.detail) return new ApiError(problem);
  } catch {
    // A proxy in between may respond in another format.
  }
  const detail = text.slice(0, 300) || t.problem.empty;
  return new ApiError({ title: response.statusText || t.problem.error, status: response.status, detail });
}
