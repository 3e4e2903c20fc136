"""The REST service: published models in, answers out. Knows nothing of torch."""
