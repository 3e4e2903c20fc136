"""Why networks train: the rules, layers and experiments of the course, written out to be read."""
