// Labels with their probabilities, and an ensemble's votes.

import { h } from '../dom.js';
import { formatPercent } from '../numbers.js';
import { t } from '../strings.js';

/** A label in the language of the page, where there is a word for it. */
export const translateLabel = (label) => t.classify.labelNames[label] ?? label;

export function renderBars(predictions) {
  return h('ol', { class: 'bars' }, predictions.map(renderBar));
}

function renderBar({ label, probability }) {
  const filled = h('span', { class: 'fill' });
  filled.style.setProperty('--probability', probability);
  return h(
    'li',
    {},
    h('span', { class: 'label' }, translateLabel(label)),
    h('span', { class: 'track', 'aria-hidden': 'true' }, filled),
    h('span', { class: 'percentage' }, formatPercent(probability)),
  );
}

/** Who of an ensemble's members says what; nothing for a single model. */
export function renderVotes(members, winner) {
  if (!members) return null;
  const agree = members.filter((member) => member.label === winner).length;
  const each = members.map((member, place) =>
    h(
      'li',
      { class: member.label === winner ? 'agrees' : 'differs' },
      h('span', {}, t.classify.member(place + 1)),
      h('strong', {}, translateLabel(member.label)),
      h('span', {}, formatPercent(member.probability)),
    ),
  );
  const said = t.classify.agreement(agree, members.length, translateLabel(winner));
  return h('section', { class: 'votes' }, h('h3', {}, said), h('ul', {}, each));
}
