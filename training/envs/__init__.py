"""Small games for networks that learn to play from frames."""
