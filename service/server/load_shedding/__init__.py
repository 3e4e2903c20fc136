"""Load shedding: rejects what a full queue would reject anyway, for a small part of the cost.

A request takes half a millisecond of CPU in the application before its queue can reject it. Under
thousands of excess requests a second, that time would be taken from the admitted ones. So the
protocol asks `LoadShedder` as soon as a request's headers are parsed, and a rejected connection is
read again only after a pause (`resume_pacer.py`).
"""

from service.server.load_shedding.shedder import LoadShedder, Rejection

__all__ = ["LoadShedder", "Rejection"]
