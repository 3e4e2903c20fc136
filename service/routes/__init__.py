"""HTTP alone: bodies, parameters, content types, statuses. What is computed lies elsewhere."""
