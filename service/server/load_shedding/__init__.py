"""Refuses at the door what a full queue refuses anyway, for a small part of what that costs.

A request that goes through the application takes the processor for half a millisecond before a
queue can refuse it. When thousands a second are too many, they would take it from those that were
let in. So connections ask here, as soon as a request's head has been read (`door.py`); one that
came whole and says nothing unusual is not even parsed (`plain.py`). Who was refused is listened to
again in its turn (`turns.py`).
"""

from service.server.load_shedding.shedder import LoadShedder, Rejection

__all__ = ["LoadShedder", "Rejection"]
