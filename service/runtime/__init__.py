"""Models in memory: cores, sessions, and the registry of what is served. Knows nothing of HTTP."""
