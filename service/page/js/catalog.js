// The models in the store, as listed by /v1/models.

import { fetchJson } from './api.js';

export const LIST_MODELS_REQUEST = { path: '/v1/models' };

export const fetchModels = async () => (await fetchJson(LIST_MODELS_REQUEST)).body.models;

/**
 * Return the models of a task that have a ready version, the default model first.
 *
 * @returns {Array<{name: string, isDefault: boolean, versions: number[]}>} versions from the highest
 */
export function findReadyModels(models, task) {
  return models
    .filter((model) => model.task === task)
    .map((model) => ({
      name: model.name,
      isDefault: model.default,
      versions: model.versions.filter(({ state }) => state === 'ready').map(({ version }) => version).reverse(),
    }))
    .filter((model) => model.versions.length)
    .sort((a, b) => b.isDefault - a.isDefault);
}

/**
 * Return the versions of a task that are not ready.
 *
 * @returns {Array<{name: string, version: number, state: string, reason?: string}>}
 */
export function findUnavailableVersions(models, task) {
  return models
    .filter((model) => model.task === task)
    .flatMap((model) => model.versions.map((version) => ({ name: model.name, ...version })))
    .filter(({ state }) => state !== 'ready');
}

const cachedCards = new Map();

/** Fetch the card of a model version. Each card is requested once; failed requests are not cached. */
export function fetchCard(name, version) {
  const key = `${name} ${version ?? ''}`;
  if (!cachedCards.has(key)) {
    const card = fetchJson({ path: `/v1/models/${name}`, query: { version } }).then(({ body }) => body);
    card.catch(() => cachedCards.delete(key));
    cachedCards.set(key, card);
  }
  return cachedCards.get(key);
}
