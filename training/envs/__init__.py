"""Small games whose images a network can learn to play from."""
