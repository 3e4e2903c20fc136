"""How fast, measured: `python -m benchmarks`; each figure beside a limit and a peer."""
