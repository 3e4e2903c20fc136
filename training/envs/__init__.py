"""Small games whose pictures a network can learn to play from."""
