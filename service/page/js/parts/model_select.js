// Which model answers.

import { t } from '../strings.js';
import { createSelect } from './fields.js';

/**
 * A choice among the ready models, at first the one that the address asks for:
 * {element, found, value: {model?, version?}, name, version}. `found` is false when the address asks
 * for another. The task's default needs no parameters, and a model's highest version none either.
 */
export function createModelSelect(models, asked, onchange) {
  const options = models.flatMap((model) =>
    model.versions.map((version, place) => ({
      value: JSON.stringify({ name: model.name, version, query: buildModelQuery(model, version, place) }),
      label: `${model.name} ${version}${model.isDefault && !place ? ` (${t.common.isDefault})` : ''}`,
    })),
  );
  const wanted = options.find(({ value }) => matchesUrl(JSON.parse(value), asked));
  const { element, input } = createSelect({ label: t.common.model, options, value: wanted?.value, onchange: () => onchange?.() });
  element.classList.add('model-select');
  const chosen = () => JSON.parse(input.value);
  return {
    element,
    found: Boolean(wanted) || !asked.get('model'),
    get value() {
      return chosen().query;
    },
    get name() {
      return chosen().name;
    },
    get version() {
      return chosen().version;
    },
  };
}

const matchesUrl = ({ name, version }, asked) =>
  name === asked.get('model') && [String(version), null, ''].includes(asked.get('version'));

function buildModelQuery(model, version, place) {
  if (place) return { model: model.name, version };
  return model.isDefault ? {} : { model: model.name };
}
