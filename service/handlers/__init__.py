"""One use case each: decode → run → encode. Called on a compute thread; knows nothing of HTTP."""
