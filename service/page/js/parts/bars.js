// Labels with their probabilities, and an ensemble's votes.

import { h } from '../dom.js';
import { percent } from '../numbers.js';
import { t } from '../strings.js';

/** A label in the language of the page, where there is a word for it. */
export const labelName = (label) => t.classify.labelNames[label] ?? label;

export function bars(predictions) {
  return h('ol', { class: 'bars' }, predictions.map(bar));
}

function bar({ label, probability }) {
  const filled = h('span', { class: 'filled' });
  filled.style.setProperty('--share', probability);
  return h(
    'li',
    {},
    h('span', { class: 'label' }, labelName(label)),
    h('span', { class: 'track', 'aria-hidden': 'true' }, filled),
    h('span', { class: 'share' }, percent(probability)),
  );
}

/** Who of an ensemble's members says what; nothing for a single model. */
export function votes(members, winner) {
  if (!members) return null;
  const agree = members.filter((member) => member.label === winner).length;
  const each = members.map((member, place) =>
    h(
      'li',
      { class: member.label === winner ? 'agrees' : 'differs' },
      h('span', {}, t.classify.member(place + 1)),
      h('strong', {}, labelName(member.label)),
      h('span', {}, percent(member.probability)),
    ),
  );
  const said = t.classify.agree(agree, members.length, labelName(winner));
  return h('section', { class: 'votes' }, h('h3', {}, said), h('ul', {}, each));
}
