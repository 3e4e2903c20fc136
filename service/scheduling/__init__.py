"""Scheduling: bounded admission, deadlines, thread pool, batching; independent of HTTP."""
