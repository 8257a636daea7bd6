"""The operator's console: a local web application on the operator's own AWS credentials.

It runs nothing in the account and listens on this machine only, so it costs nothing at rest and
exposes nothing. Pages are made here and stay up to date over server-sent events; while no page is
open nothing is asked of AWS (decision 0022 has what an open one costs).

- command: `spillway console`; serving: the application, put together
- waiting: until somebody asks for it; guard: who may talk to it, and what a page may do
- desk: the service, and what is being done to it; pages, orders, letters, faults: the handlers
- events: pages that stay up to date; rendering: templates
- path, timeline, charts: what is shown, decided without a browser (pure)
- redriving, traffic: work that goes on while its page is open or not
"""
