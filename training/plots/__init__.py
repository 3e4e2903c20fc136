"""Images of training and of what was learnt."""
