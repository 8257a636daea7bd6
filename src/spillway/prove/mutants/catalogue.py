"""Every mutant: what a careless change could make of the service.

`spillway chaos` also deploys the first eight. The simulation found the last two as bugs of the
service (decision 0017).
"""

from __future__ import annotations

from spillway.prove.mutants.mutations import (
    DropArgument,
    DropStatement,
    Mutant,
    Mutation,
    ReplaceBody,
    ReplaceExpression,
    ReplaceStatement,
)


def _mutant(name: str, sentence: str, *mutations: Mutation) -> Mutant:
    return Mutant(name, sentence, mutations)


ORDER_OVERWRITTEN = _mutant(
    "order-overwritten",
    "intake puts an order without its condition",
    DropArgument("aws.table:DynamoOrders.place", "put_item", "ConditionExpression"),
    DropArgument("aws.table:DynamoOrders.place", "put_item", "ReturnValuesOnConditionCheckFailure"),
)
ANSWERED_BEFORE_STORED = _mutant(
    "answered-before-stored",
    "intake answers 202 without having stored the order",
    DropStatement("flow.intake:Intake._store", "overflow.buffer"),
)
NEVER_CHECKED = _mutant(
    "never-checked",
    "relay never has the watchdog check an order",
    DropStatement("flow.relay:Relay.send", "checks.set"),
)
FAILURES_UNNAMED = _mutant(
    "failures-unnamed",
    "a batch names none of its failed messages, so that the queue deletes them too",
    ReplaceExpression("flow.consumer:Consumer.consume", "not results[message].done", "False"),
)
DELETED_BEFORE_DONE = _mutant(
    "deleted-before-done",
    "deliver deletes its messages before it has handled them",
    ReplaceBody(
        "handlers.deliver:handle",
        """
inbox: Any = consumer.inbox
for record in event["Records"]:
    try:
        inbox.client.delete_message(
            QueueUrl=inbox.queue_url, ReceiptHandle=record["receiptHandle"]
        )
    except Exception:
        pass
original
""",
    ),
)
PARTIAL_FAILURES_UNREAD = _mutant(
    "partial-failures-unread",
    "the answer of a batch request is not read for what it did not take",
    ReplaceBody("aws.queues:raise_if_any_failed", "return"),
)
POISON_NOT_DEAD_LETTERED = _mutant(
    "poison-not-dead-lettered",
    "relay does not dead-letter a record that it cannot read",
    ReplaceStatement("handlers.relay:handle", "_dead_letter", "raise RuntimeError from bug"),
)
SHIPPED_AFTER_POSTED = _mutant(
    "shipped-after-posted",
    "an order is shipped only after accounting has posted it",
    ReplaceExpression(
        "domain.saga:owed",
        "{Step.SHIP, Step.POST}",
        "{Step.SHIP, Step.POST} if facts.known(Step.POST) else {Step.POST}",
    ),
)

#: The mutants that `spillway chaos` deploys.
DEPLOYED = (
    ORDER_OVERWRITTEN,
    ANSWERED_BEFORE_STORED,
    NEVER_CHECKED,
    FAILURES_UNNAMED,
    DELETED_BEFORE_DONE,
    PARTIAL_FAILURES_UNREAD,
    POISON_NOT_DEAD_LETTERED,
    SHIPPED_AFTER_POSTED,
)

MUTANTS = (
    *DEPLOYED,
    _mutant(
        "throttled-is-accepted",
        "intake answers 201 although the table did not take the order",
        ReplaceStatement(
            "flow.intake:Intake._store",
            "overflow.buffer",
            "return Acknowledged(accepted, 'placed')",
        ),
    ),
    _mutant(
        "clash-is-retry",
        "other content under an order's id is answered as a retry",
        ReplaceExpression("flow.intake:_same_or_clash", "there.digest == digest", "True"),
    ),
    _mutant(
        "retry-is-new",
        "each retry of an order is answered as a new order",
        ReplaceExpression("flow.intake:_same_or_clash", "'there'", "'placed'"),
    ),
    _mutant(
        "overflow-dropped",
        "drain deletes an order that the table did not take",
        ReplaceStatement(
            "handlers.drain:handle.place",
            "drain.place",
            """
try:
    original
except TransientFailure:
    return "placed"
""",
        ),
    ),
    _mutant(
        "recorded-before-done",
        "deliver records a step as done before its downstream has done it",
        ReplaceStatement(
            "flow.deliver:Deliver.deliver",
            "downstream.perform",
            """
self.orders.record(command.key, command.step, Outcome(1, reference="soon"))
original
""",
        ),
    ),
    _mutant(
        "outcome-lost",
        "deliver finishes a message although its outcome could not be stored",
        ReplaceStatement(
            "flow.deliver:Deliver.deliver",
            "orders.record",
            """
try:
    original
except TransientFailure:
    return Delivered(outcome)
""",
        ),
    ),
    _mutant(
        "fact-overwritten",
        "a fact is written without its condition, so that a late answer replaces an earlier one",
        DropArgument("aws.table:DynamoOrders.record", "update_item", "ConditionExpression"),
    ),
    _mutant(
        "cancellation-guesses-its-side",
        "a cancellation takes the reservation to be unknown without asking the table",
        ReplaceExpression(
            "aws.table:DynamoOrders._write_cancellation", "f'{is_new} AND {side}'", "is_new"
        ),
        ReplaceExpression(
            "aws.table:DynamoOrders._write_cancellation",
            "{'#cancellation': items.CANCELLATION, '#reserve': Step.RESERVE.value}",
            "{'#cancellation': items.CANCELLATION}",
        ),
    ),
    _mutant(
        "cancellation-ignored-after-shipping",
        "fulfilment is never asked to stop a shipment that the customer cancels",
        ReplaceExpression("domain.saga:_stopping_the_shipment", "{Step.CANCEL_SHIPMENT}", "set()"),
    ),
    _mutant(
        "new-key-each-try",
        "each try of a command has an idempotency key of its own",
        ReplaceExpression(
            "downstream.http:HttpDownstream._act",
            "idempotency_key(command)",
            "f'{idempotency_key(command)}-{self.clock.now()}'",
        ),
    ),
    _mutant(
        "key-without-customer",
        "an idempotency key leaves out the customer, although order ids are unique per customer",
        ReplaceBody(
            "downstream.http:idempotency_key", "return f'{command.step}-{command.key.order_id}'"
        ),
    ),
    _mutant(
        "timeout-is-refusal",
        "a downstream that does not answer in time counts as having refused",
        ReplaceStatement(
            "downstream.http:HttpDownstream._ask",
            "TransientFailure",
            "return Outcome(self.clock.now(), refusal=type(error).__name__)",
        ),
    ),
    _mutant(
        "error-is-done",
        "a downstream's 5xx counts as done",
        ReplaceStatement(
            "downstream.http:HttpDownstream._meaning",
            "TransientFailure",
            "return Outcome(self.clock.now(), reference='?')",
        ),
    ),
    _mutant(
        "looked-up-too-late",
        "a downstream without keys is never looked up before it is asked again",
        ReplaceExpression("downstream.http:HttpDownstream.perform", "self.look_up_first", "False"),
    ),
    _mutant(
        "undone-once",
        "a step that undoes another is tried once, and not until it is done",
        ReplaceStatement(
            "flow.deliver:Deliver.deliver",
            "downstream.perform",
            """
try:
    original
except TransientFailure:
    if command.step in REFUSABLE:
        raise
    return Delivered(Outcome(1))
""",
        ),
    ),
    _mutant(
        "refunded-before-posted",
        "the refund does not wait for accounting's own books",
        ReplaceExpression(
            "domain.saga:owed", "facts.known(Step.POST) or not proceeding(facts)", "True"
        ),
    ),
    _mutant(
        "released-while-shipping",
        "stock is released before the shipment is stopped",
        ReplaceBody("domain.saga:_nothing_ships", "return True"),
    ),
    _mutant(
        "relay-goes-on",
        "relay goes on although a queue did not take its commands",
        DropStatement("aws.queues:SqsCommands.send", "TransientFailure"),
    ),
    _mutant(
        "announcement-dropped",
        "relay drops an event that the topic did not take",
        DropStatement("flow.relay:Relay._announce", "checks.set"),
    ),
    _mutant(
        "checked-once",
        "the watchdog checks an order once, whether it has settled or not",
        ReplaceExpression(
            "handlers.watchdog:handle.check_one",
            "checked.look_again",
            "checked.look_again and not checked.owed",
        ),
    ),
    _mutant(
        "lagging-read-is-final",
        "an order that an eventually consistent read misses counts as missing",
        ReplaceExpression(
            "aws.table:DynamoOrders.find",
            "self._get(items.order_key(key), consistent=True)",
            "None",
        ),
        ReplaceStatement(
            "flow.deliver:Deliver.complete",
            "TransientFailure",
            "raise PermanentFailure('there is no such order')",
        ),
    ),
    _mutant(
        "orders-kept-by-id",
        "a customer's order is found by its id, for every caller",
        ReplaceExpression("handlers.http:order_key", "customer_id", "'customer-ada'"),
    ),
    _mutant(
        "batch-let-go",
        "a batch is deleted although some of its messages have not been handled",
        ReplaceExpression(
            "flow.consumer:Consumer._finish_batch.requeue_rest", "not results[member].done", "False"
        ),
    ),
    _mutant(
        "batch-requeued-too-late",
        "what a batch leaves open is requeued only after the batch was deleted",
        ReplaceStatement(
            "flow.consumer:Consumer._finish_batch.requeue_rest",
            "self.inbox.requeue",
            """
inbox: object = self.inbox
try:
    inbox.client.delete_message(QueueUrl=inbox.queue_url, ReceiptHandle=batch.receipt)
except Exception:
    pass
original
""",
        ),
    ),
    _mutant(
        "batch-split-in-part",
        "when a batch comes a second time, its first message is taken to be done",
        ReplaceExpression(
            "flow.batches:split",
            "[(body, 0) for body in batch.batched]",
            "[(body, 0) for body in batch.batched[1:]]",
        ),
    ),
    _mutant(
        "batch-unsent-and-gone",
        "a batch is deleted although its queue did not take what was requeued",
        ReplaceStatement(
            "flow.consumer:Consumer._finish_batch.requeue_rest",
            "self.inbox.requeue",
            """
try:
    original
except TransientFailure:
    pass
""",
        ),
    ),
    _mutant(
        "checks-let-go",
        "a batch of checks is deleted while one of its orders has not settled",
        ReplaceExpression(
            "flow.consumer:Consumer._finish_batch.requeue_rest",
            "not results[member].done",
            "not results[member].done and self.step != 'watchdog'",
        ),
    ),
    # Found by the simulation
    _mutant(
        "gone-message-is-a-bug",
        "a message that another copy has finished with cannot be postponed, which counts as a bug",
        ReplaceExpression("aws.queues:SqsInbox.postpone", "_NO_LONGER_HELD", "()"),
    ),
    _mutant(
        "event-with-two-times",
        "an answer that comes when an order has settled changes the time in its last event",
        ReplaceExpression(
            "domain.events:settled", "{Step.CANCEL_SHIPMENT, Step.RECALL_SHIPMENT}", "set()"
        ),
    ),
)

BY_NAME = {mutant.name: mutant for mutant in MUTANTS}
