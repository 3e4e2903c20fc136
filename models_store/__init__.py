"""The store: the contract of a published model, and the folder where published models lie."""
