// The game: which of two images did a person make? Ten rounds with a score.

import { fetchJson } from '../api.js';
import { h, setChildren } from '../dom.js';
import { createCurlSnippet } from '../parts/curl_snippet.js';
import { renderButton } from '../parts/fields.js';
import { renderProblem } from '../parts/problem.js';
import { t } from '../strings.js';

export const id = 'game';
export const { title, tab, lead } = t.game;

const ROUNDS = 10;

export function mount({ container, urlState }) {
  const curlSnippet = createCurlSnippet();
  const gameContainer = h('div', { class: 'game' });
  container.append(gameContainer, curlSnippet.element);
  fetchJson({ path: '/v1/game' }).then(
    ({ body: { games } }) => {
      const content = games.length ? renderGames(games, urlState, curlSnippet) : h('p', { class: 'empty-state' }, t.game.noGames);
      setChildren(gameContainer, content);
    },
    (error) => setChildren(gameContainer, renderProblem(error)),
  );
}

/** Render the game that the URL names, else the first, with buttons to choose if there are several. */
function renderGames(names, urlState, curlSnippet) {
  const container = h('div', {});
  const buttons = names.map((name) => renderButton(t.game[name], () => select(name)));
  const select = (selectedName) => {
    urlState.set({ play: selectedName });
    buttons.forEach((button, index) => button.setAttribute('aria-pressed', String(names[index] === selectedName)));
    startGame(selectedName, container, curlSnippet);
  };
  select(names.includes(urlState.get('play')) ? urlState.get('play') : names[0]);
  return [
    names.length > 1 && h('div', { class: 'actions', role: 'group', 'aria-label': t.game.title }, buttons),
    container,
    h('p', { class: 'note' }, t.game.dataSource),
  ];
}

/** Start ten rounds in `container`, replacing the game that is running there. */
function startGame(name, container, curlSnippet) {
  const results = []; // whether each finished round was answered correctly
  const dots = h('ol', { class: 'dots', 'aria-hidden': 'true' });
  const progress = h('p', { class: 'hint' });
  const round = h('div', { class: 'round' });
  const score = h('p', { role: 'status', class: 'score' });
  const onNext = () => (results.length < ROUNDS ? startRound() : startGame(name, container, curlSnippet));
  const nextButton = renderButton(t.game.nextRound, onNext, 'primary');
  const countCorrect = () => results.filter(Boolean).length;
  let roundNumber = 0;
  const updateProgress = () => {
    const scoreText = results.length > 0 && ` · ${t.game.score(countCorrect(), results.length)}`;
    setChildren(progress, t.game.roundNumber(roundNumber, ROUNDS), scoreText);
    const classes = results.map((isCorrect) => (isCorrect ? 'right' : 'wrong'));
    setChildren(dots, Array.from({ length: ROUNDS }, (_, index) => h('li', { class: classes[index] ?? '' })));
  };
  const onAnswer = (isCorrect) => {
    results.push(isCorrect);
    updateProgress();
    const isOver = results.length === ROUNDS;
    const finalScore = isOver && [` ${t.game.finalScore(countCorrect(), ROUNDS)} `, t.game.verdict(countCorrect() / ROUNDS)];
    setChildren(score, isCorrect ? t.game.correct : t.game.incorrect, ' ', formatStreak(results), finalScore);
    nextButton.textContent = isOver ? t.game.playAgain : t.game.nextRound;
    nextButton.hidden = false;
    nextButton.focus();
  };
  const startRound = async () => {
    nextButton.hidden = true;
    roundNumber = results.length + 1;
    setChildren(score);
    updateProgress();
    try {
      await showRound(name, round, curlSnippet, onAnswer);
    } catch (error) {
      setChildren(round, renderProblem(error));
      nextButton.hidden = false;
    }
  };
  setChildren(container, h('h2', {}, t.game.question[name]), progress, dots, round, score, h('p', { class: 'actions' }, nextButton));
  startRound();
}

/** Format the number of consecutive correct answers; empty below two. */
function formatStreak(results) {
  const length = results.length - 1 - results.lastIndexOf(false);
  return length > 1 ? t.game.streak(length) : '';
}

/** Show the two images of a round; `onAnswer(isCorrect)` is called after the visitor has chosen one. */
async function showRound(name, container, curlSnippet, onAnswer) {
  const roundRequest = { path: `/v1/game/${name}` };
  curlSnippet.show(roundRequest);
  const { body: round } = await fetchJson(roundRequest);
  const buttons = round.images.map((image, index) => {
    const letter = 'AB'[index];
    return h(
      'button',
      { type: 'button', onclick: () => choose(index) },
      h('img', { alt: t.game.imageAlt(letter), src: `data:image/png;base64,${image}` }),
      h('span', {}, letter),
    );
  });
  const choose = async (choice) => {
    buttons.forEach((button) => (button.disabled = true));
    const answerRequest = { path: '/v1/game', json: { round: round.round, choice } };
    curlSnippet.show(roundRequest, answerRequest);
    try {
      const { body } = await fetchJson(answerRequest);
      buttons.forEach((button, index) => reveal(button, name, { isReal: index === body.answer, isChosen: index === choice }));
      onAnswer(body.correct);
    } catch (error) {
      container.append(renderProblem(error));
      buttons.forEach((button) => (button.disabled = false));
    }
  };
  setChildren(container, buttons);
}

function reveal(button, name, { isReal, isChosen }) {
  button.classList.add(isReal ? 'real' : 'generated');
  button.classList.toggle('selected', isChosen);
  button.lastChild.textContent = isReal ? t.game.realLabel[name] : t.game.generatedLabel[name];
}
