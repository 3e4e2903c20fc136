"""Fault injection against a real service (docs/reliability.md).

    python -m tests.chaos overload|slow|cancel|shutdown|reload|stall|soak|body-cost

All but body-cost start `python -m service` on 127.0.0.1 with models of the real store, and compare
every response with one recorded without load. All print a table, and exit with 1 if a promise is
broken.
"""
