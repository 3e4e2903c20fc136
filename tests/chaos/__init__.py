"""Fault injection against a real service (docs/reliability.md).

    python -m tests.chaos overload|slow|cancel|shutdown|reload|stall|soak

Each starts `python -m service` on 127.0.0.1 with models of the real store, checks every response
against the one that was given when nothing else went on, prints a table, and ends with 1 when a
promise was broken.
"""
