"""The store: the contract of a published model, and the folder of the published models."""
