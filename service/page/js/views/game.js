// Which of two generators trained longer? The same seed through an early version and a late one.

import { sendForJson } from '../api.js';
import { fill, h } from '../dom.js';
import { button } from '../parts/fields.js';
import { problemBox } from '../parts/problem.js';

/** The question, where a model has two versions that answer; else why there is none. */
export function game(models) {
  const model = models.find((one) => one.versions.length > 1);
  const element = h('section', { class: 'part game' }, h('h2', {}, 'Which one trained longer?'));
  if (!model) {
    element.append(h('p', {}, 'This needs two versions of one generator, and each here has one.'));
    return element;
  }
  const [late, early] = [model.versions[0], model.versions.at(-1)];
  element.append(
    h('p', {}, `${model.name} ${early} and ${late} each drew the same random numbers. Click on the face whose generator trained longer. None of them is a real person.`),
  );
  const score = { right: 0, asked: 0 };
  const round = h('div', { class: 'round' });
  const told = h('p', { role: 'status', class: 'score' }, 'No answer yet.');
  const next = async () => {
    try {
      fill(round, await pair(model.name, early, late, (right) => answered(right, score, told, again)));
      again.hidden = true;
    } catch (error) {
      fill(round, problemBox(error));
    }
  };
  const again = button('Another pair', next, 'main');
  element.append(round, told, h('p', { class: 'actions' }, again));
  again.textContent = 'Show a pair';
  return element;
}

async function pair(name, early, late, answer) {
  const seed = Math.floor(Math.random() * 1e6);
  const faces = await Promise.all([early, late].map((version) => face(name, version, seed)));
  const order = Math.random() < 0.5 ? faces : faces.reverse();
  const buttons = order.map(({ image, version }, place) => {
    const onclick = () => {
      buttons.forEach((one, at) => {
        one.disabled = true;
        one.classList.add(order[at].version === late ? 'late' : 'early');
        one.lastChild.textContent = `Version ${order[at].version}: trained ${order[at].version === late ? 'longer' : 'shorter'}`;
      });
      answer(version === late);
    };
    const picture = h('img', { alt: `Face ${'AB'[place]}`, src: `data:image/png;base64,${image}` });
    return h('button', { type: 'button', onclick }, picture, h('span', {}, `Face ${'AB'[place]}`));
  });
  return buttons;
}

async function face(name, version, seed) {
  const query = { count: 1, seed, model: name, version };
  const { body } = await sendForJson({ path: '/v1/faces', query, headers: { Accept: 'application/json' } });
  return { version, image: body.faces[0].image };
}

function answered(right, score, told, again) {
  score.asked += 1;
  score.right += right;
  fill(told, `${right ? 'Yes' : 'No'}. ${score.right} of ${score.asked} right.`);
  again.textContent = 'Another pair';
  again.hidden = false;
}
