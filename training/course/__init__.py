"""The rules, layers and experiments of the course on training networks."""
