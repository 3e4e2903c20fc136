// Person or network? Ten rounds with a score.

import { fetchJson } from '../api.js';
import { h, setChildren } from '../dom.js';
import { createCurlSnippet } from '../parts/curl_snippet.js';
import { renderButton } from '../parts/fields.js';
import { renderProblem } from '../parts/problem.js';
import { t } from '../strings.js';

export const id = 'game';
export const { title, tab, lead } = t.game;

const ROUNDS = 10;

export function open({ body, address }) {
  const same = createCurlSnippet();
  const place = h('div', { class: 'game' });
  body.append(place, same.element);
  fetchJson({ path: '/v1/game' }).then(
    ({ body: { games } }) => setChildren(place, games.length ? renderGameMenu(games, address, same) : h('p', { class: 'empty-state' }, t.game.noGames)),
    (error) => setChildren(place, renderProblem(error)),
  );
}

/** The choice of a game, where there are several, and the game. */
function renderGameMenu(games, address, same) {
  const place = h('div', {});
  const choices = games.map((name) => renderButton(t.game[name], () => start(name)));
  const start = (name) => {
    address.remember({ play: name });
    choices.forEach((one, at) => one.setAttribute('aria-pressed', String(games[at] === name)));
    playGame(name, place, same);
  };
  start(games.includes(address.get('play')) ? address.get('play') : games[0]);
  return [games.length > 1 && h('div', { class: 'actions', role: 'group', 'aria-label': t.game.title }, choices), place, h('p', { class: 'note' }, t.game.dataSource)];
}

/** Ten rounds in `place`, until somebody starts another game there. */
function playGame(name, place, same) {
  const results = [];
  const dots = h('ol', { class: 'dots', 'aria-hidden': 'true' });
  const progress = h('p', { class: 'hint' });
  const round = h('div', { class: 'round' });
  const told = h('p', { role: 'status', class: 'score' });
  const next = renderButton(t.game.nextRound, () => (results.length < ROUNDS ? ask() : playGame(name, place, same)), 'primary');
  const right = () => results.filter(Boolean).length;
  let number = 0;
  const showScore = () => {
    setChildren(progress, t.game.roundNumber(number, ROUNDS), results.length > 0 && ` · ${t.game.score(right(), results.length)}`);
    setChildren(dots, Array.from({ length: ROUNDS }, (_, at) => h('li', { class: at < results.length ? (results[at] ? 'right' : 'wrong') : '' })));
  };
  const answered = (correct) => {
    results.push(correct);
    showScore();
    const over = results.length === ROUNDS;
    setChildren(told, correct ? t.game.correct : t.game.incorrect, ' ', formatStreak(results), over && [` ${t.game.finalScore(right(), ROUNDS)} `, t.game.verdict(right() / ROUNDS)]);
    next.textContent = over ? t.game.playAgain : t.game.nextRound;
    next.hidden = false;
    next.focus();
  };
  const ask = async () => {
    next.hidden = true;
    number = results.length + 1;
    setChildren(told);
    showScore();
    try {
      await playRound(name, round, same, answered);
    } catch (error) {
      setChildren(round, renderProblem(error));
      next.hidden = false;
    }
  };
  setChildren(place, h('h2', {}, t.game.question[name]), progress, dots, round, told, h('p', { class: 'actions' }, next));
  ask();
}

function formatStreak(results) {
  const length = results.length - 1 - results.lastIndexOf(false);
  return length > 1 ? t.game.streak(length) : '';
}

/** Two images to choose from; `answered(correct)` is called once one was clicked. */
async function playRound(name, place, same, answered) {
  const asked = { path: `/v1/game/${name}` };
  same.show(asked);
  const { body: round } = await fetchJson(asked);
  const buttons = round.images.map((image, at) => {
    const letter = 'AB'[at];
    return h(
      'button',
      { type: 'button', onclick: () => choose(at) },
      h('img', { alt: t.game.imageAlt(letter), src: `data:image/png;base64,${image}` }),
      h('span', {}, letter),
    );
  });
  const choose = async (choice) => {
    buttons.forEach((one) => (one.disabled = true));
    const call = { path: '/v1/game', json: { round: round.round, choice } };
    same.show(asked, call);
    try {
      const { body: told } = await fetchJson(call);
      buttons.forEach((one, at) => revealImage(one, name, at === told.answer, at === choice));
      answered(told.correct);
    } catch (error) {
      place.append(renderProblem(error));
      buttons.forEach((one) => (one.disabled = false));
    }
  };
  setChildren(place, buttons);
}

function revealImage(shown, name, real, chosen) {
  shown.classList.add(real ? 'real' : 'generated');
  shown.classList.toggle('selected', chosen);
  shown.lastChild.textContent = real ? t.game.realLabel[name] : t.game.generatedLabel[name];
}
