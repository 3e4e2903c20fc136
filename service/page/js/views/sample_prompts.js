// What to begin with, so that the box is not empty: something that the model has the characters for.

const SAMPLE_PROMPTS = [
  [/shakespeare/i, 'ROMEO:\n'],
  [/quijote|quixote/i, 'En un lugar de la Mancha, '],
  [/numbers? .*words|charnn-tiny/i, '482 = '],
];

/** A beginning for the model of this card; empty when none is known. */
export function suggestPrompt(card) {
  const about = `${card.name} ${card.summary}`;
  const known = new Set(card.task.vocabulary);
  const found = SAMPLE_PROMPTS.find(([pattern, text]) => pattern.test(about) && [...text].every((one) => known.has(one)));
  return found ? found[1] : '';
}
