"""The planted bugs: each is what a careless change could make of the service.

The first eight are also deployed by `spillway chaos`; the last ones are bugs that the simulation
found (docs/decisions/0017-simulation.md), planted again.
"""

from __future__ import annotations

from spillway.prove.mutants.patches import Bug, Patch

ORDER_OVERWRITTEN = Bug(
    "order-overwritten",
    "intake puts an order without its condition",
    (
        Patch(
            "aws/table.py",
            """                    Item=items.order_item(order),
                    ConditionExpression=is_new,
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
""",
            """                    Item=items.order_item(order),
""",
        ),
    ),
)

ANSWERED_BEFORE_STORED = Bug(
    "answered-before-stored",
    "intake answers 202 without having stored the order",
    (
        Patch(
            "flow/intake.py",
            """            self.overflow.buffer(accepted)
            return Acknowledged(accepted, "buffered")
""",
            """            return Acknowledged(accepted, "buffered")
""",
        ),
    ),
)

NOBODY_WATCHES = Bug(
    "nobody-checks",
    "nobody has the watchdog look after an order",
    (Patch("flow/relay.py", "        self.checks.set(calls.checks)\n", ""),),
)

FAILURES_UNNAMED = Bug(
    "failures-unnamed",
    "a batch names none of its failed messages, so that the queue deletes them too",
    (
        Patch(
            "handlers/batch.py",
            """            if not done
        ]
""",
            """            if not done
        ][:0]
""",
        ),
    ),
)

DELETED_BEFORE_DONE = Bug(
    "deleted-before-done",
    "deliver takes a message out of its queue before it is done with it",
    (
        Patch(
            "handlers/deliver.py",
            """    records = event["Records"]
""",
            """    records = event["Records"]
    inbox: Any = parts.desk.inbox
    for record in records:
        try:
            inbox.client.delete_message(
                QueueUrl=inbox.queue_url, ReceiptHandle=record["receiptHandle"]
            )
        except Exception:
            pass
""",
        ),
    ),
)

PARTIAL_FAILURES_UNREAD = Bug(
    "partial-failures-unread",
    "nobody reads what a batch request did not take",
    (
        Patch(
            "aws/queues.py",
            "    if failed:\n        codes",
            "    if failed and False:\n        codes",
        ),
    ),
)

POISON_NOT_SET_ASIDE = Bug(
    "poison-not-set-aside",
    "relay does not set aside a record that it cannot read",
    (
        Patch(
            "handlers/relay.py",
            """            _dead_letter(record, bug, parts)
            continue
""",
            """            raise RuntimeError from bug
""",
        ),
    ),
)

SHIPPED_AFTER_POSTED = Bug(
    "shipped-after-posted",
    "an order is shipped only when accounting has posted it",
    (
        Patch(
            "domain/saga.py",
            """        steps |= {Step.SHIP, Step.POST}
""",
            """        steps |= {Step.SHIP, Step.POST} if facts.known(Step.POST) else {Step.POST}
""",
        ),
    ),
)

#: Those that `spillway chaos` deploys.
DEPLOYED = (
    ORDER_OVERWRITTEN,
    ANSWERED_BEFORE_STORED,
    NOBODY_WATCHES,
    FAILURES_UNNAMED,
    DELETED_BEFORE_DONE,
    PARTIAL_FAILURES_UNREAD,
    POISON_NOT_SET_ASIDE,
    SHIPPED_AFTER_POSTED,
)

BUGS = (
    *DEPLOYED,
    Bug(
        "throttled-is-accepted",
        "intake answers 201 although the table did not take the order",
        (
            Patch(
                "flow/intake.py",
                """            self.overflow.buffer(accepted)
            return Acknowledged(accepted, "buffered")
""",
                """            return Acknowledged(accepted, "placed")
""",
            ),
        ),
    ),
    Bug(
        "clash-is-retry",
        "other content under an order's id is answered as a retry",
        (
            Patch(
                "flow/intake.py",
                """    if there.digest == digest:
""",
                """    if digest:
""",
            ),
        ),
    ),
    Bug(
        "retry-is-new",
        "each retry of an order is answered as a new order",
        (
            Patch(
                "flow/intake.py",
                """        return Acknowledged(there, "there")
""",
                """        return Acknowledged(there, "placed")
""",
            ),
        ),
    ),
    Bug(
        "overflow-dropped",
        "drain lets an order go that the table did not take",
        (
            Patch(
                "handlers/drain.py",
                """            table_is_well = False
            raise
""",
                """            table_is_well = False
            return "placed"
""",
            ),
        ),
    ),
    Bug(
        "recorded-before-done",
        "deliver records a step as done before its downstream has done it",
        (
            Patch(
                "flow/deliver.py",
                """        outcome = self.downstream.perform(command)
""",
                """        soon = Outcome(1, reference="soon")
        self.orders.record(command.key, command.step, soon)
        outcome = self.downstream.perform(command)
""",
            ),
        ),
    ),
    Bug(
        "outcome-lost",
        "deliver lets a message go although its outcome could not be stored",
        (
            Patch(
                "flow/deliver.py",
                """        facts = self.orders.record(command.key, command.step, outcome)
""",
                """        try:
            facts = self.orders.record(command.key, command.step, outcome)
        except TransientFailure:
            return Delivered(outcome)
""",
            ),
        ),
    ),
    Bug(
        "fact-overwritten",
        "a fact is written without its condition, so that a late answer replaces an earlier one",
        (
            Patch(
                "aws/table.py",
                """                    UpdateExpression="SET #step = :outcome",
                    ConditionExpression=is_new,
""",
                """                    UpdateExpression="SET #step = :outcome",
""",
            ),
        ),
    ),
    Bug(
        "cancellation-guesses-its-side",
        "a cancellation takes the reservation to be unknown without asking the table",
        (
            Patch(
                "aws/table.py",
                """                    ConditionExpression=f"{is_new} AND {side}",
                    ExpressionAttributeNames={
                        "#cancellation": items.CANCELLATION,
                        "#reserve": Step.RESERVE.value,
                    },
""",
                """                    ConditionExpression=is_new,
                    ExpressionAttributeNames={"#cancellation": items.CANCELLATION},
""",
            ),
        ),
    ),
    Bug(
        "cancellation-ignored-after-shipping",
        "nobody asks fulfilment to stop a shipment that the customer cancels",
        (
            Patch(
                "domain/saga.py",
                """    return {Step.CANCEL_SHIPMENT} if facts.cancellation is not None else set()
""",
                """    return set()
""",
            ),
        ),
    ),
    Bug(
        "new-key-each-try",
        "each try of a command has an idempotency key of its own",
        (
            Patch(
                "downstream/http.py",
                """        outcome = self._ask(
            "POST",
""",
                """        now = self.clock.now()
        outcome = self._ask(
            "POST",
""",
            ),
            Patch(
                "downstream/http.py",
                """                "idempotency-key": idempotency_key(command),
""",
                """                "idempotency-key": f"{idempotency_key(command)}-{now}",
""",
            ),
        ),
    ),
    Bug(
        "key-without-customer",
        "an idempotency key leaves the customer out, whose order id is only theirs",
        (
            Patch(
                "downstream/http.py",
                """    return f"{command.step}-{command.key.order_id}-{command.key.customer_hash}"
""",
                """    return f"{command.step}-{command.key.order_id}"
""",
            ),
        ),
    ),
    Bug(
        "timeout-is-refusal",
        "a downstream that does not answer in time counts as having refused",
        (
            Patch(
                "downstream/http.py",
                """            raise TransientFailure(f"{asked}: {type(error).__name__}") from error
""",
                """            return Outcome(self.clock.now(), refusal=type(error).__name__)
""",
            ),
        ),
    ),
    Bug(
        "error-is-done",
        "a downstream's 5xx counts as done",
        (
            Patch(
                "downstream/http.py",
                """            raise TransientFailure(f"{asked}: answered {status}")
        answer""",
                """            return Outcome(self.clock.now(), reference="?")
        answer""",
            ),
        ),
    ),
    Bug(
        "looked-up-too-late",
        "a downstream without keys is never looked up before it is asked again",
        (
            Patch(
                "downstream/http.py",
                """        if self.look_up_first:
            found""",
                """        if self.look_up_first and not request.path:
            found""",
            ),
        ),
    ),
    Bug(
        "undone-once",
        "what undoes a step is tried once, and not until it is done",
        (
            Patch(
                "flow/deliver.py",
                """        outcome = self.downstream.perform(command)
""",
                """        try:
            outcome = self.downstream.perform(command)
        except TransientFailure:
            if command.step in REFUSABLE:
                raise
            return Delivered(Outcome(1))
""",
            ),
        ),
    ),
    Bug(
        "refunded-before-posted",
        "the money goes back without waiting for accounting's own books",
        (
            Patch(
                "domain/saga.py",
                """        if facts.known(Step.POST) or not proceeding(facts):
            steps""",
                """        if True:
            steps""",
            ),
        ),
    ),
    Bug(
        "released-while-shipping",
        "stock is let go before the shipment is stopped",
        (
            Patch(
                "domain/saga.py",
                """        if facts.done(Step.RESERVE) and _nothing_ships(facts):
""",
                """        if facts.done(Step.RESERVE):
""",
            ),
        ),
    ),
    Bug(
        "relay-goes-on",
        "relay goes on although a queue did not take its commands",
        (
            Patch(
                "aws/queues.py",
                """        if failures:
            raise""",
                """        if len(failures) > 3:
            raise""",
            ),
        ),
    ),
    Bug(
        "announcement-dropped",
        "relay drops an event that the topic did not take",
        (
            Patch(
                "flow/relay.py",
                """            self.checks.set([Check(key, force=True) for key in keys])
""",
                """            del keys
""",
            ),
        ),
    ),
    Bug(
        "watched-once",
        "the watchdog looks at an order once, whether it has settled or not",
        (
            Patch(
                "handlers/watchdog.py",
                """        if checked.look_again:
""",
                """        if checked.look_again and not checked.owed:
""",
            ),
        ),
    ),
    Bug(
        "lagging-read-is-final",
        "an order that an eventually consistent read misses counts as one that is not there",
        (
            Patch(
                "aws/table.py",
                """        if item is None:
            item = self._get(items.order_key(key), consistent=True)
        return""",
                """        return""",
            ),
            Patch(
                "flow/deliver.py",
                """            raise TransientFailure("the order is not readable yet")
""",
                """            raise PermanentFailure("there is no such order")
""",
            ),
        ),
    ),
    Bug(
        "orders-kept-by-id",
        "a customer's order is found by its id, whoever asks",
        (
            Patch(
                "handlers/http.py",
                """    return OrderKey(customer_id, event["pathParameters"]["order_id"])
""",
                """    return OrderKey("customer-ada", event["pathParameters"]["order_id"])
""",
            ),
        ),
    ),
    Bug(
        "pack-let-go",
        "a pack is let go although some of its messages have not come to an end",
        (
            Patch(
                "flow/desk.py",
                """        if rest:
            self.requeue""",
                """        if rest and not self.tries:
            self.requeue""",
            ),
        ),
    ),
    Bug(
        "pack-sent-on-too-late",
        "what a pack leaves open is sent on only after the pack was deleted",
        (
            Patch(
                "flow/desk.py",
                """        if rest:
            self.requeue""",
                """        if rest:
            inbox: object = self._desk.inbox
            try:
                inbox.client.delete_message(
                    QueueUrl=inbox.queue_url, ReceiptHandle=self._message.receipt
                )
            except Exception:
                pass
            self.requeue""",
            ),
        ),
    ),
    Bug(
        "pack-taken-apart-in-part",
        "of a pack that comes a second time the first message is taken to be done",
        (
            Patch(
                "flow/desk.py",
                """        self.requeue([(body, 0) for body in pack.packed])
""",
                """        self.requeue([(body, 0) for body in pack.packed[1:]])
""",
            ),
        ),
    ),
    Bug(
        "pack-unsent-and-gone",
        "a pack is let go although its queue did not take what was sent on",
        (
            Patch(
                "flow/desk.py",
                """            self.requeue([(each.body, self._wait_of(each)) for each in rest])
""",
                """            try:
                self.requeue([(each.body, self._wait_of(each)) for each in rest])
            except TransientFailure:
                pass
""",
            ),
        ),
    ),
    Bug(
        "checks-let-go",
        "a check of many is deleted while one of its orders has not settled",
        (
            Patch(
                "flow/desk.py",
                """        if rest:
            self.requeue""",
                """        if rest and self._desk.step != "watchdog":
            self.requeue""",
            ),
        ),
    ),
    # Found by the simulation
    Bug(
        "gone-message-is-a-bug",
        "a message that another copy has finished with cannot be postponed, which counts as a bug",
        (
            Patch(
                "aws/queues.py",
                """                if error.response["Error"]["Code"] not in _NO_LONGER_HELD:
                    raise
""",
                """                raise
""",
            ),
        ),
    ),
    Bug(
        "event-with-two-times",
        "an answer that comes when an order has settled changes the time in its last event",
        (
            Patch(
                "domain/events.py",
                """facts.outcomes.keys() - {Step.CANCEL_SHIPMENT, Step.RECALL_SHIPMENT}""",
                """set(facts.outcomes)""",
            ),
        ),
    ),
)

BY_NAME = {bug.name: bug for bug in BUGS}
