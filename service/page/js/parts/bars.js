// Labels with their probabilities, and an ensemble's votes.

import { h } from '../dom.js';
import { percent } from '../numbers.js';

export function bars(predictions) {
  return h('ol', { class: 'bars' }, predictions.map(bar));
}

function bar({ label, probability }) {
  const filled = h('span', { class: 'filled' });
  filled.style.setProperty('--share', probability);
  return h(
    'li',
    {},
    h('span', { class: 'label' }, label),
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
      h('span', {}, `Member ${place + 1}`),
      h('strong', {}, member.label),
      h('span', {}, percent(member.probability)),
    ),
  );
  const said = `${agree} of ${members.length} members say ${winner}`;
  return h('section', { class: 'votes' }, h('h3', {}, said), h('ul', {}, each));
}
