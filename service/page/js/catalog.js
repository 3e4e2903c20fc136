// The models in the store, as /v1/models lists them.

import { fetchJson } from './api.js';

export const LIST_MODELS_REQUEST = { path: '/v1/models' };

export const fetchModels = async () => (await fetchJson(LIST_MODELS_REQUEST)).body.models;

/** Models of a task that answer now, the default first: [{name, isDefault, versions: [highest, …]}]. */
export function findReadyModels(models, task) {
  return models
    .filter((model) => model.task === task)
    .map((model) => ({
      name: model.name,
      isDefault: model.default,
      versions: model.versions.filter((one) => one.state === 'ready').map((one) => one.version).reverse(),
    }))
    .filter((model) => model.versions.length)
    .sort((a, b) => b.isDefault - a.isDefault);
}

/** Versions of a task that do not answer, with the reason where one is known. */
export function findUnavailableVersions(models, task) {
  return models
    .filter((model) => model.task === task)
    .flatMap((model) => model.versions.map((version) => ({ name: model.name, ...version })))
    .filter((version) => version.state !== 'ready');
}

const cards = new Map();

/** A version's card; asked for once. */
export function fetchCard(name, version) {
  const key = `${name} ${version ?? ''}`;
  if (!cards.has(key)) {
    const asked = fetchJson({ path: `/v1/models/${name}`, query: { version } }).then(({ body }) => body);
    asked.catch(() => cards.delete(key));
    cards.set(key, asked);
  }
  return cards.get(key);
}
