"""Who computes when: bounded admission, deadlines, threads. Knows nothing of HTTP or of models."""
