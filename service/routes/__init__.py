"""HTTP endpoints: bodies, parameters, content types, statuses. Handlers do the computation."""
