"""How long one run of a function waits for what is outside, at most.

A run adds up within its function's timeout, after which no code of ours could answer: `infra.stage`
checks a stage's timeouts against these, tests/orders/test_time_budget.py lets each service hang.
"""

from __future__ import annotations

#: A call to AWS, its second try and the pause before that counted.
CALL_SECONDS = 6.0
#: The same for a delivery, which also waits for its downstream.
DELIVER_CALL_SECONDS = 4.0
#: A request that has no secret yet begins to read it no later than this; a try takes at most that.
PARAMETER_WAIT_MS, PARAMETER_TRY_SECONDS = 2_000, 1.0
PARAMETER_SECONDS = PARAMETER_WAIT_MS / 1000 + PARAMETER_TRY_SECONDS
#: The same in the init phase, in which no customer waits, and which Lambda ends after 10 s.
PARAMETER_INIT_WAIT_MS = 3_000
#: A try to claim a limited coupon, or a look at its counters, begins within this.
CLAIM_MS = 3_000
#: A line of the archive is begun to be read within this, and a try to read it takes at most that.
ARCHIVE_MS, ARCHIVE_TRY_SECONDS = 1_000, 1.0
#: So long after a batch came in no message of it is begun any more: the queue brings it back. A run
#: that its timeout ends would bring back those that are done, too.
BATCH_MS = 15_000
