// Sample prompts for text models.

const SAMPLE_PROMPTS = [
  [/shakespeare/i, 'ROMEO:\n'],
  [/quijote|quixote/i, 'En un lugar de la Mancha, '],
  [/numbers? .*words|charnn-tiny/i, '482 = '],
];

/** Return a prompt that suits the model and its vocabulary; empty if there is none. */
export function suggestPrompt(card) {
  const description = `${card.name} ${card.summary}`;
  const vocabulary = new Set(card.task.vocabulary);
  const match = SAMPLE_PROMPTS.find(
    ([pattern, prompt]) => pattern.test(description) && [...prompt].every((character) => vocabulary.has(character)),
  );
  return match ? match[1] : '';
}
