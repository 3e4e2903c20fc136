// Which of two generators trained longer? One seed through an early version and a late one.

import { sendForJson } from '../api.js';
import { fill, h } from '../dom.js';
import { button } from '../parts/fields.js';
import { problemBox } from '../parts/problem.js';
import { cardOf } from '../shelf.js';

/** The question, where a model has two versions of which one trained longer; else why there is none. */
export function game(models, preferred) {
  const place = h('div', {});
  contestants([...models].sort((a, b) => (b.name === preferred) - (a.name === preferred)))
    .then((pair) => fill(place, pair ? rounds(pair) : h('p', {}, 'This needs two versions of one generator of which one trained longer; there are none on this shelf.')))
    .catch((error) => fill(place, problemBox(error)));
  return h('section', { class: 'part game' }, h('h2', {}, 'Which one trained longer?'), place);
}

/** {name, early, late} of {version, epochs} as the cards tell them; null where none differ. */
async function contestants(models) {
  for (const { name, versions } of models.filter((one) => one.versions.length > 1)) {
    const cards = await Promise.all(versions.map((version) => cardOf(name, version)));
    const trained = cards
      .map(({ version, provenance }) => ({ version, epochs: provenance.epochs }))
      .filter((one) => one.epochs)
      .sort((a, b) => a.epochs - b.epochs);
    const [early, late] = [trained[0], trained.at(-1)];
    if (trained.length > 1 && early.epochs < late.epochs) return { name, early, late };
  }
  return null;
}

function rounds({ name, early, late }) {
  const score = { right: 0, asked: 0 };
  const round = h('div', { class: 'round' });
  const told = h('p', { role: 'status', class: 'score' });
  const answer = (right) => {
    score.asked += 1;
    score.right += right;
    fill(told, `${right ? 'Yes' : 'No'}. ${score.right} of ${score.asked} right.`);
    again.hidden = false;
    again.focus();
  };
  const next = async () => {
    again.hidden = true;
    again.textContent = 'Another pair';
    try {
      fill(round, await pair(name, [early, late], late, answer));
    } catch (error) {
      fill(round, problemBox(error));
      again.hidden = false;
    }
  };
  const again = button('Show a pair', next, 'main');
  const asked =
    `The same random numbers, drawn by ${name} after ${early.epochs} epochs and after ${late.epochs}. ` +
    'Click on the face whose generator trained longer. Nobody here is real.';
  return [h('p', {}, asked), round, told, h('p', { class: 'actions' }, again)];
}

async function pair(name, both, late, answer) {
  const seed = Math.floor(Math.random() * 1e6);
  const faces = await Promise.all(both.map((one) => face(name, one, seed)));
  const order = Math.random() < 0.5 ? faces : faces.reverse();
  const buttons = order.map(({ image, of }, place) => {
    const letter = 'AB'[place];
    const onclick = () => {
      buttons.forEach((one, at) => reveal(one, order[at].of, late));
      answer(of === late);
    };
    return h('button', { type: 'button', onclick }, h('img', { alt: `Face ${letter}`, src: `data:image/png;base64,${image}` }), h('span', {}, letter));
  });
  return buttons;
}

function reveal(shown, of, late) {
  shown.disabled = true;
  shown.classList.add(of === late ? 'late' : 'early');
  shown.lastChild.textContent = `${of.epochs} epochs`;
}

async function face(name, of, seed) {
  const query = { count: 1, seed, model: name, version: of.version };
  const { body } = await sendForJson({ path: '/v1/faces', query, headers: { Accept: 'application/json' } });
  return { of, image: body.faces[0].image };
}
