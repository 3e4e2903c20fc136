"""A generated text: the numbers from 1 to 999 in figures and in words.

It can be learnt in seconds, and a wrong continuation of `482 = ` is easy to see. The order is
random, so that a line's number cannot be predicted: no model can reach less than ln(999) nats a
line on lines that it has not seen.
"""

import random

_ONES = (
    "", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def number_to_words(number: int) -> str:
    """Return `number`, from 1 to 999, in English words."""
    hundreds, rest = divmod(number, 100)
    tens, ones = divmod(rest, 10)
    parts = [f"{_ONES[hundreds]} hundred"] if hundreds else []
    if 0 < rest < 20:
        parts.append(_ONES[rest])
    elif rest:
        parts.append("-".join(word for word in (_TENS[tens], _ONES[ones]) if word))
    return " ".join(parts)


def build_text() -> str:
    """Return a line for every number, always in the same random order."""
    numbers = list(range(1, 1000))
    random.Random(0).shuffle(numbers)  # noqa: S311  # an order, not a secret
    return "".join(f"{number} = {number_to_words(number)}\n" for number in numbers)
