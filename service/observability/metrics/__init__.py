"""What is counted, how the workers of one service share it, and how Prometheus reads it."""
