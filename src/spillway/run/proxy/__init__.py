"""A fault-injection proxy: the deployed functions reach AWS's emulator through it.

It counts every call (`counts`, `units`) and injects faults into chosen ones (`rules`). It runs as
a process of its own (`__main__`): in the process that serves the origin and the downstreams each
call would wait for Python's lock. `Proxy` is the handle on a running one.

It sees the calls that functions make. The emulator's own work for them (polling queues and streams,
deleting handled messages, delivering to subscriptions) does not pass here.
"""

from spillway.run.proxy.counts import Counts, Kind, Series
from spillway.run.proxy.handle import FaultInForce, Proxy

__all__ = ["Counts", "FaultInForce", "Kind", "Proxy", "Series"]
