"""Fault injection against a real service (docs/reliability.md).

    python -m tests.chaos overload|slow|cancel|shutdown|reload|stall|soak

Each starts `python -m service` on 127.0.0.1 with models of the real store, compares every
response with the one recorded without other load, prints a table, and exits with 1 if a promise was
broken.
"""
