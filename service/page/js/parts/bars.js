// Class probabilities as bars, and the votes of an ensemble's members.

import { h } from '../dom.js';
import { formatPercent } from '../numbers.js';
import { t } from '../strings.js';

/** Translate a label; labels without a translation are returned unchanged. */
export const translateLabel = (label) => t.classify.labelNames[label] ?? label;

export function renderBars(predictions) {
  return h('ol', { class: 'bars' }, predictions.map(renderBar));
}

function renderBar({ label, probability }) {
  const fill = h('span', { class: 'fill' });
  fill.style.setProperty('--probability', probability);
  return h(
    'li',
    {},
    h('span', { class: 'label' }, translateLabel(label)),
    h('span', { class: 'track', 'aria-hidden': 'true' }, fill),
    h('span', { class: 'percentage' }, formatPercent(probability)),
  );
}

/** Render each ensemble member's label; null for a single model, which has no `members`. */
export function renderVotes(members, winner) {
  if (!members) return null;
  const agreeing = members.filter((member) => member.label === winner).length;
  const items = members.map((member, index) =>
    h(
      'li',
      { class: member.label === winner ? 'agrees' : 'differs' },
      h('span', {}, t.classify.member(index + 1)),
      h('strong', {}, translateLabel(member.label)),
      h('span', {}, formatPercent(member.probability)),
    ),
  );
  const heading = t.classify.agreement(agreeing, members.length, translateLabel(winner));
  return h('section', { class: 'votes' }, h('h3', {}, heading), h('ul', {}, items));
}
