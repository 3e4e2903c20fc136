"""Speed benchmarks (`python -m benchmarks`): each figure beside a limit and a competitor."""
