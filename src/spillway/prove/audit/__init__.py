"""The audit: do the service's answers to its customers agree with what the downstreams did?

Reading and judging are apart. `reading` fetches the orders table, the downstreams' own tables and
the queues; `judge` and its fellows are pure. They share no decision with orders.domain.saga: who
acts must not be the one who judges, or a mistake in the saga would excuse itself.

`spillway audit` puts them together for a running stack (`running`, with `spool` to keep memory
bounded); the demo and chaos call them themselves. `report` shows verdicts, for all three.
"""
