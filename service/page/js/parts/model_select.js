// The drop-down list of a task's ready models and versions.

import { t } from '../strings.js';
import { createSelect } from './fields.js';

/**
 * Create a model select, initially at the model that the URL names, or else at the default model:
 * {element, isRequestedModelFound, query, name, version}.
 *
 * `query` has the parameters that select the model in a request: none for the task's default model,
 * and no version for a model's highest. `isRequestedModelFound` is false if the URL names an unknown model.
 *
 * @param {Array} models see findReadyModels
 * @param {URLSearchParams} urlParams
 * @param {() => void} [onChange]
 */
export function createModelSelect(models, urlParams, onChange) {
  const options = models.flatMap((model) =>
    model.versions.map((version, index) => ({
      value: JSON.stringify({ name: model.name, version, query: buildModelQuery(model, version, index) }),
      label: `${model.name} ${version}${model.isDefault && !index ? ` (${t.common.isDefault})` : ''}`,
    })),
  );
  const requested = options.find(({ value }) => matchesUrl(JSON.parse(value), urlParams));
  const { element, input } = createSelect({ label: t.common.model, options, value: requested?.value, onchange: () => onChange?.() });
  element.classList.add('model-select');
  const getSelected = () => JSON.parse(input.value);
  return {
    element,
    isRequestedModelFound: Boolean(requested) || !urlParams.get('model'),
    get query() {
      return getSelected().query;
    },
    get name() {
      return getSelected().name;
    },
    get version() {
      return getSelected().version;
    },
  };
}

const matchesUrl = ({ name, version }, urlParams) =>
  name === urlParams.get('model') && [String(version), null, ''].includes(urlParams.get('version'));

/** `versionIndex` is 0 for the highest version. */
function buildModelQuery(model, version, versionIndex) {
  if (versionIndex) return { model: model.name, version };
  return model.isDefault ? {} : { model: model.name };
}
