"""Every mutant: what a careless change could make of the service.

The simulation kills all of them. Some it has found as bugs of the service (decision 0017).
"""

from __future__ import annotations

from spillway.prove.mutants.mutations import (
    DropStatement,
    Mutant,
    ReplaceBody,
    ReplaceExpression,
    ReplaceStatement,
    SwallowFailure,
)

_DELIVER = "flow.deliver:Deliver.deliver"
_ANSWER = "flow.deliver:Deliver._answer"
_TAKE = "flow.outcomes:Outcomes.take"
_EXPRESS_OUTCOME = "flow.express:Express._outcome"
_REQUEUE_REST = "flow.consumer:Consumer._finish_batch.requeue_rest"

#: A transaction as writes one after the other, in this order.
_ONE_BY_ONE = """
reasons = dict()
for operation in {}:
    try:
        with translate_aws_errors("TransactWriteItems"):
            self.client.transact_write_items(TransactItems=[operation])
        reason = dict(Code=_FINE)
    except TransientFailure as failure:
        cancelled = getattr(failure.__cause__, "response", dict()).get("CancellationReasons")
        if not cancelled:
            raise
        reason = cancelled[0]
    reasons[id(operation)] = reason
    if reason["Code"] != _FINE:
        break
return [reasons.get(id(operation), dict(Code=_FINE)) for operation in operations]
"""

MUTANTS = (
    Mutant(
        "order-overwritten",
        "intake puts an order on a condition that is always true",
        ReplaceExpression(
            "aws.table:DynamoOrders._put_if_new",
            "'attribute_not_exists(pk)'",
            "'attribute_not_exists(nothing)'",
        ),
    ),
    Mutant(
        "answered-before-stored",
        "intake answers 202 without having stored the order",
        DropStatement("flow.intake:Intake._store", "overflow.buffer"),
    ),
    Mutant(
        "never-checked",
        "the watch never has the watchdog check an order",
        DropStatement("flow.watch:Watch.send", "checks.set"),
    ),
    Mutant(
        "unsettled-taken-for-settled",
        "the watch takes an order for settled whose stock is reserved",
        ReplaceExpression(
            "flow.watch:to_check", "not saga.at_rest(facts)", "not facts.done(saga.Step.RESERVE)"
        ),
    ),
    Mutant(
        "failures-unnamed",
        "a batch names none of its failed messages, so that the queue deletes them too",
        ReplaceExpression("flow.consumer:Consumer.consume", "not results[message].done", "False"),
    ),
    Mutant(
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
    ),
    Mutant(
        "partial-failures-unread",
        "the answer of a batch request is not read for what it did not take",
        ReplaceBody("aws.queues:raise_if_any_failed", "return"),
    ),
    Mutant(
        "poison-not-dead-lettered",
        "relay does not dead-letter a record that it cannot read",
        ReplaceStatement(
            "handlers.relay:handle.dead_letter", "batch.dead_letter", "raise RuntimeError(error)"
        ),
    ),
    Mutant(
        "shipped-after-posted",
        "an order is shipped only after accounting has posted it",
        ReplaceExpression(
            "domain.saga:_owed_to_settle",
            "{*ONCE_RESERVED}",
            "{*ONCE_RESERVED} if facts.known(Step.POST) else {Step.POST}",
        ),
    ),
    Mutant(
        "throttled-is-accepted",
        "intake answers 201 although the table did not take the order",
        ReplaceStatement(
            "flow.intake:Intake._store",
            "overflow.buffer",
            "return Acknowledged(accepted, 'placed')",
        ),
    ),
    Mutant(
        "clash-is-retry",
        "other content under an order's id is answered as a retry",
        ReplaceExpression("flow.intake:_same_or_clash", "there.digest == digest", "True"),
    ),
    Mutant(
        "retry-is-new",
        "each retry of an order is answered as a new order",
        ReplaceExpression("flow.intake:_same_or_clash", "'there'", "'placed'"),
    ),
    Mutant(
        "overflow-dropped",
        "drain deletes an order that the table did not take",
        SwallowFailure("handlers.drain:handle.place", "drain.place", 'return "placed"'),
    ),
    Mutant(
        "recorded-before-done",
        "deliver records a step as done before its downstream has done it",
        ReplaceStatement(
            _DELIVER,
            "self._answer",
            """
self.orders.record(command.key, {command.step: Outcome(1, reference="soon")})
original
""",
        ),
    ),
    Mutant(
        "outcome-lost",
        "deliver finishes a message although its outcome could not be stored",
        SwallowFailure(_DELIVER, "record", "recorded = Recorded()"),
    ),
    Mutant(
        "fact-overwritten",
        "a fact is written on a condition that is always true: a late answer replaces an earlier",
        ReplaceExpression(
            "aws.table:DynamoOrders._update",
            "f'attribute_not_exists(#{name})'",
            "'attribute_not_exists(nothing)'",
        ),
    ),
    Mutant(
        "cancellation-guesses-its-side",
        "a cancellation takes the reservation to be unknown without asking the table",
        ReplaceExpression(
            "aws.table:DynamoOrders.request_cancellation",
            "(True, 'attribute_not_exists(#reserve)')",
            "(True, '')",
        ),
    ),
    Mutant(
        "cancellation-ignored-after-shipping",
        "fulfilment is never asked to stop a shipment that the customer cancels",
        ReplaceExpression("domain.saga:_stopping_the_shipment", "{Step.CANCEL_SHIPMENT}", "set()"),
    ),
    Mutant(
        "new-key-each-try",
        "each try of a command has an idempotency key of its own",
        ReplaceExpression(
            "downstream.http:HttpDownstream._act",
            "request.headers(scope)",
            "{'idempotency-key': f'{idempotency_key(command)}-{self.clock.now()}'}",
        ),
    ),
    Mutant(
        "key-without-customer",
        "an idempotency key leaves out the customer, although order ids are unique per customer",
        ReplaceBody(
            "downstream.keys:idempotency_key", "return f'{command.step}-{command.key.order_id}'"
        ),
    ),
    Mutant(
        "timeout-is-refusal",
        "a downstream that does not answer in time counts as having refused",
        ReplaceStatement(
            "downstream.transport:exchange",
            "TransientFailure",
            """return Answer(409, {}, b'{"code":"%s"}' % type(error).__name__.encode())""",
        ),
    ),
    Mutant(
        "error-is-done",
        "a downstream's 5xx counts as done",
        ReplaceExpression(
            "downstream.http:HttpDownstream._meaning",
            'first_that_fits(rules, answer, document, lookup=call.method == "GET")',
            "rules[0]",
        ),
    ),
    Mutant(
        "dead-letters-a-401",
        "a downstream that refuses our key gets its orders' commands dead-lettered",
        ReplaceExpression(
            "downstream.http:undeclared", "_ABOUT_THE_ORDER", "{*_ABOUT_THE_ORDER, 401}"
        ),
        # Where our key is what a token is asked for with, only its endpoint sees that it is wrong.
        ReplaceStatement(
            "downstream.oauth:_token_in",
            "_code",
            """from orders.failures import PermanentFailure
raise PermanentFailure(asked)""",
        ),
    ),
    Mutant(
        "looked-up-too-late",
        "a downstream without keys is never looked up before it is asked again",
        ReplaceExpression("downstream.http:HttpDownstream.perform", "self.look_up_first", "False"),
    ),
    Mutant(
        "undone-once",
        "a step that undoes another is tried once, and not until it is done",
        SwallowFailure(
            _DELIVER,
            "self._answer",
            "from orders.domain.saga import REFUSABLE\n"
            "if command.step in REFUSABLE: raise\n"
            "return Delivered(Outcome(1), None, Recorded())",
        ),
    ),
    Mutant(
        "refunded-before-posted",
        "the refund does not wait for accounting's own books",
        ReplaceExpression(
            "domain.saga:_owed_to_settle",
            "facts.known(Step.POST) or not reserved_first(facts)",
            "True",
        ),
    ),
    Mutant(
        "released-while-shipping",
        "stock is released before the shipment is stopped",
        ReplaceBody("domain.saga:_nothing_ships", "return True"),
    ),
    Mutant(
        "relay-goes-on",
        "relay goes on although a queue did not take its commands",
        DropStatement("aws.queues:SqsCommands.send", "_joined"),
    ),
    Mutant(
        "announcement-dropped",
        "relay drops an event that the topic did not take",
        DropStatement("flow.relay:Relay._announce", "checks.set"),
    ),
    Mutant(
        "checked-once",
        "the watchdog checks an order once, whether it has settled or not",
        ReplaceExpression(
            "handlers.watchdog:_check.check_one",
            "checked.look_again",
            "checked.look_again and not checked.owed",
        ),
    ),
    Mutant(
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
    Mutant(
        "orders-kept-by-id",
        "a customer's order is found by its id, for every caller",
        ReplaceExpression(
            "domain.caller:Caller.keys",
            "OrderKey(customer_id, order_id)",
            "OrderKey('customer-ada', order_id)",
        ),
    ),
    Mutant(
        "batch-let-go",
        "a batch is deleted although some of its messages have not been handled",
        ReplaceExpression(_REQUEUE_REST, "not results[member].done", "False"),
    ),
    Mutant(
        "batch-requeued-too-late",
        "what a batch leaves open is requeued only after the batch was deleted",
        ReplaceStatement(
            _REQUEUE_REST,
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
    Mutant(
        "batch-split-in-part",
        "when a batch comes a second time, its first message is taken to be done",
        ReplaceExpression(
            "flow.batches:split",
            "[(body, 0) for body in batch.batched]",
            "[(body, 0) for body in batch.batched[1:]]",
        ),
    ),
    Mutant(
        "batch-unsent-and-gone",
        "a batch is deleted although its queue did not take what was requeued",
        SwallowFailure(_REQUEUE_REST, "self.inbox.requeue", "pass"),
    ),
    Mutant(
        "checks-let-go",
        "a batch of checks is deleted while one of its orders has not settled",
        ReplaceExpression(
            _REQUEUE_REST,
            "not results[member].done",
            "not results[member].done and self.step != 'watchdog'",
        ),
    ),
    Mutant(
        "first-line-priced",
        "only an order's first line is checked against the price book",
        ReplaceExpression(
            "domain.pricing:_differences",
            "named != priced.unit_prices",
            "named[:1] != priced.unit_prices[:1]",
        ),
    ),
    Mutant(
        "delivery-at-any-price",
        "what an order pays for delivery is not checked against the price book",
        ReplaceExpression(
            "domain.pricing:_differences", "order.shipping != priced.shipping", "False"
        ),
    ),
    Mutant(
        "receipt-of-any-customer",
        "a payment's receipt does not name its customer",
        ReplaceExpression("domain.receipt:canonical", "order_key.customer_id", "'anybody'"),
    ),
    Mutant(
        "price-of-any-time",
        "an order costs what things cost when its id was made, however long ago that was",
        ReplaceExpression(
            "flow.prices:Prices._priced_at", "max(made_at, now - self.grace_ms)", "made_at"
        ),
    ),
    Mutant(
        "price-of-the-moment",
        "a price that changes refuses the baskets that were filled before",
        ReplaceBody("flow.prices:Prices._priced_at", "return now"),
    ),
    Mutant(
        "price-of-tomorrow",
        "a clock that is ahead orders at tomorrow's prices",
        ReplaceExpression(
            "flow.prices:Prices._priced_at",
            "min(max(made_at, now - self.grace_ms), now)",
            "max(made_at, now - self.grace_ms)",
        ),
        # Two safeguards: either one alone is enough.
        ReplaceExpression("aws.book_index:BookIndex.in_force", "entry.begins <= now", "True"),
    ),
    Mutant(
        "no-book-no-price",
        "an order is taken at the client's word while no price book can be read",
        SwallowFailure("flow.prices:_by_the_book", "books.in_force", "return Priced()"),
    ),
    Mutant(
        "damaged-book-is-none",
        "an order is taken at the client's word while the book in force is damaged",
        ReplaceStatement(
            "flow.prices:_by_the_book",
            "pricing.check",
            "if book.is_fallback:\n    return Priced()\noriginal",
        ),
    ),
    Mutant(
        "claimed-after-the-order",
        "an order is stored first, and what it uses up of coupons is claimed after that",
        ReplaceBody("aws.coupons:DynamoCoupons._write", _ONE_BY_ONE.format("operations")),
    ),
    Mutant(
        "claimed-before-the-order",
        "what an order uses up of coupons is claimed first, and the order is stored after that",
        ReplaceBody("aws.coupons:DynamoCoupons._write", _ONE_BY_ONE.format("operations[::-1]")),
    ),
    Mutant(
        "counted-without-limit",
        "a coupon's counter counts beyond its share of the limit",
        ReplaceExpression(
            "aws.coupons:DynamoCoupons._claiming",
            "'attribute_not_exists(used) OR used < :share'",
            "'attribute_not_exists(used) OR used < :share OR attribute_exists(used)'",
        ),
    ),
    Mutant(
        "used-by-a-customer-twice",
        "a customer's second use of a coupon replaces the first",
        ReplaceExpression(
            "aws.coupons:DynamoCoupons._claiming",
            "f'attribute_not_exists(pk) OR {_IF_HELD}'",
            "f'attribute_not_exists(pk) OR attribute_exists(pk) OR {_IF_HELD}'",
        ),
    ),
    Mutant(
        "retry-claims-again",
        "an order with a coupon is put on a condition that is always true, and claims once more",
        ReplaceExpression(
            "aws.coupons:DynamoCoupons._placing",
            "'attribute_not_exists(pk)'",
            "'attribute_not_exists(nothing)'",
        ),
    ),
    Mutant(
        "coupon-not-given-back",
        "what an order used up of coupons stays used when it is rejected or cancelled",
        DropStatement("flow.relay:Relay._give_back", "coupons.give_back"),
        DropStatement("flow.watchdog:Watchdog._settled", "coupons.give_back"),
    ),
    Mutant(
        "coupon-given-back-by-relay-alone",
        "the watchdog does not give back what relay could not",
        DropStatement("flow.watchdog:Watchdog._settled", "coupons.give_back"),
    ),
    Mutant(
        "coupon-given-back-twice",
        "what an order used up is given back each time that it is asked",
        ReplaceExpression("aws.coupons:DynamoCoupons._held", "key not in returned", "True"),
        ReplaceExpression(
            "aws.coupons:DynamoCoupons._give_back",
            "'attribute_exists(pk) AND attribute_not_exists(#returned)'",
            "'attribute_exists(pk)'",
        ),
    ),
    Mutant(
        "proof-without-a-void-id",
        "a proof that an id is void is given, and nothing is stored",
        ReplaceExpression(
            "flow.intake:Intake.cancel_or_void",
            "self.orders.void(VoidId(key, now)) is not None",
            "self.orders.find(key) is not None",
        ),
    ),
    Mutant(
        "order-over-void-id",
        "an order takes the place of a void id",
        ReplaceExpression(
            "aws.table:DynamoOrders._put_if_new",
            "'attribute_not_exists(pk)'",
            "'attribute_not_exists(digest)'",
        ),
    ),
    Mutant(
        "void-id-over-order",
        "an id is made void whether it has an order or not",
        ReplaceBody(
            "aws.table:DynamoOrders.void",
            "self.client.put_item(TableName=self.table, Item=items.void_item(void))\nreturn None",
        ),
    ),
    Mutant(
        "any-id-cancelled",
        "a cancellation looks in the table for whatever text is in the path",
        ReplaceExpression("flow.intake:Intake.cancel", "is_order_id(key.order_id)", "True"),
    ),
    Mutant(
        "any-id-read",
        "a read looks in the table for whatever text is in the path",
        ReplaceExpression("flow.reads:Reads.order", "is_order_id(key.order_id)", "True"),
    ),
    Mutant(
        "text-that-no-queue-takes",
        "a message is JSON, also where a character in it is none that SQS takes",
        ReplaceExpression("aws.messages:json_text", "_NO_XML", "()"),
    ),
    # The express path
    Mutant(
        "express-forgets-a-fact",
        "of what express has had done, the last outcome is noted and not recorded",
        ReplaceExpression(
            "aws.table:DynamoOrders._update",
            "{step.value: items.outcome_attribute(outcomes[step]) for step in outcomes}",
            "{step.value: items.outcome_attribute(outcomes[step]) for step in [*outcomes][:2]}",
        ),
    ),
    Mutant(
        "express-after-its-time",
        "express goes on with an order however long its reservation took",
        ReplaceExpression(
            "flow.express:Express.go_on", "now - began > self.budget_ms / 2", "False"
        ),
    ),
    Mutant(
        "cancellation-overtakes-express",
        "the cancellation of an order that may go by express counts as before its reservation",
        ReplaceExpression(
            "aws.table:DynamoOrders.request_cancellation", "[(False, '')]", "[before, after]"
        ),
    ),
    Mutant(
        "express-refusal-is-done",
        "express records what a downstream has refused as done",
        ReplaceBody(
            _EXPRESS_OUTCOME,
            """
try:
    return Outcome(self.downstreams[name].perform(command).at, reference="?")
except Exception:
    return None
""",
        ),
    ),
    Mutant(
        "express-unknown-is-done",
        "express swallows the failure of a call and records its step as done",
        ReplaceBody(
            _EXPRESS_OUTCOME,
            """
try:
    return self.downstreams[name].perform(command)
except Exception:
    return Outcome(self.clock.now(), reference="?")
""",
        ),
    ),
    Mutant(
        "breaker-stays-open",
        "a breaker that has opened lets no call through any more",
        ReplaceExpression(
            "domain.breaker:Breaker.lets_through",
            "now < self._next_probe_at <= now + 1000 * PROBES.max_seconds",
            "True",
        ),
    ),
    Mutant(
        "express-beside-the-reservation",
        "express has an order shipped and posted while its stock is being reserved",
        ReplaceStatement(
            _DELIVER,
            "self._answer",
            """
if self.express is not None and command.express and command.step is Step.RESERVE:
    self.express.go_on(command, began)
original
""",
        ),
    ),
    Mutant(
        "express-for-every-order",
        "an order goes by express although that is not on record with it",
        ReplaceExpression("flow.deliver:Deliver._further", "not command.express", "False"),
    ),
    Mutant(
        "express-overwrites",
        "what express records replaces what another copy of its delivery has recorded",
        ReplaceExpression(
            "aws.table:DynamoOrders._update",
            "' AND '.join(f'attribute_not_exists(#{name})' for name in written)",
            "' AND '.join(f'attribute_not_exists(#{name})' for name in written)"
            " if len(written) == 1 else 'attribute_not_exists(nothing)'",
        ),
    ),
    Mutant(
        "cancelled-while-it-ships",
        "an order counts as cancelled when its customer asks, whatever becomes of its shipment",
        ReplaceBody("domain.saga:cancelled", "return facts.cancellation is not None"),
    ),
    # Outcomes that come later
    Mutant(
        "taken-is-done",
        "a step that its downstream has taken counts as done",
        ReplaceExpression(
            _ANSWER, "Taken(self.clock.now(), answer.ask)", "Outcome(self.clock.now(), 'R-1')"
        ),
    ),
    Mutant(
        "taken-is-let-go",
        "a command that was taken is deleted, and no message comes in its place",
        DropStatement("flow.consumer:Consumer._replace", "inbox.requeue"),
    ),
    Mutant(
        "taken-and-never-asked",
        "an outcome that a downstream has not told is waited for, and never asked for",
        ReplaceExpression(_ANSWER, "self.downstream.ask(command, taken.ask)", "Later()"),
    ),
    Mutant(
        "forgotten-is-taken",
        "a command of which its downstream knows nothing any more is not given again",
        ReplaceExpression(
            _ANSWER, "isinstance(asked, Later)", "isinstance(asked, Later) or asked is None"
        ),
    ),
    Mutant(
        "callback-of-anybody",
        "whoever calls back is believed, whatever the signature",
        ReplaceBody("downstream.told:is_signed", "return True"),
    ),
    Mutant(
        "told-what-was-never-commanded",
        "an outcome is recorded of a step that was never commanded",
        ReplaceExpression(_TAKE, "told.step not in saga.commanded(progress.facts)", "False"),
    ),
    Mutant(
        "told-by-another-downstream",
        "an outcome is recorded although the step is another downstream's",
        ReplaceExpression(
            "flow.outcomes:Outcomes._progress", "DOWNSTREAM_OF[told.step] != downstream", "False"
        ),
    ),
    Mutant(
        "refusal-told-as-done",
        "a refusal that a downstream tells later is recorded as done",
        ReplaceExpression("downstream.told:told", "rule.means == 'done'", "True"),
    ),
    Mutant(
        "told-and-not-kept",
        "what a downstream cannot mean is answered as taken, and kept nowhere",
        DropStatement("handlers.outcomes:_answered", "inbox.dead_letter"),
    ),
    # Orders that are held for approval
    Mutant(
        "begun-while-held",
        "an order that is held for approval is begun like any other",
        ReplaceExpression("domain.saga:_owed_to_settle", "held(facts)", "False"),
    ),
    Mutant(
        "held-on-the-order-alone",
        "that an order is held is stored with it, and not with its progress",
        ReplaceExpression(
            "aws.coupons:DynamoCoupons._placing", "order.held_until is not None", "False"
        ),
    ),
    Mutant(
        "held-order-overflows",
        "an order that is held is stored as any other, and overflows where the table is too busy",
        ReplaceExpression(
            "flow.intake:Intake.place",
            "uses or number_once or held_until is not None",
            "uses or number_once",
        ),
    ),
    Mutant(
        "held-at-its-limit",
        "an order of exactly what its buyer may order is held",
        ReplaceExpression(
            "flow.intake:Intake.place", "order.total > limit", "order.total >= limit"
        ),
    ),
    Mutant(
        "limit-unread",
        "a limit that is no amount is none",
        ReplaceExpression("handlers.http:_limit", "0", "None"),
    ),
    Mutant(
        "approver-of-any-company",
        "an approver decides about the orders of any company",
        ReplaceExpression(
            "handlers.intake:_decide",
            "caller.keys(http.order_id(event))",
            "[OrderKey('company-one', http.order_id(event))]",
        ),
    ),
    Mutant(
        "approver-of-their-own",
        "a buyer who is an approver releases what they have ordered",
        ReplaceExpression(
            "flow.intake:Intake._decide",
            "approval.by in (key.customer_id, progress.order.buyer)",
            "approval.by == key.customer_id",
        ),
    ),
    Mutant(
        "approved-by-anybody",
        "whoever is of the company decides",
        ReplaceExpression("flow.intake:Intake._decide", "not approves", "False"),
    ),
    Mutant(
        "released-after-its-time",
        "an approver releases an order that has expired, until the watchdog has seen it",
        ReplaceExpression("flow.intake:Intake._decide", "approval.at < facts.held_until", "True"),
    ),
    Mutant(
        "decided-twice",
        "of two who decide at once, the second has the last word",
        ReplaceExpression(
            "aws.table:DynamoOrders.decide",
            "'attribute_exists(held_until) AND attribute_not_exists(approval)"
            " AND attribute_not_exists(cancellation)'",
            "'attribute_exists(held_until) AND attribute_not_exists(cancellation)'",
        ),
    ),
    Mutant(
        "released-although-cancelled",
        "an order is released that its customer has just cancelled",
        ReplaceExpression(
            "aws.table:DynamoOrders.decide",
            "'attribute_exists(held_until) AND attribute_not_exists(approval)"
            " AND attribute_not_exists(cancellation)'",
            "'attribute_exists(held_until) AND attribute_not_exists(approval)'",
        ),
    ),
    Mutant(
        "cancelled-as-if-held",
        "the cancellation of an order that has just been released counts as before all its steps",
        ReplaceExpression(
            "aws.table:DynamoOrders.request_cancellation",
            "(True, 'attribute_not_exists(approval)')",
            "(True, '')",
        ),
    ),
    Mutant(
        "held-for-ever",
        "the watchdog lets an order wait that nobody decides about",
        ReplaceExpression(
            "flow.watchdog:Watchdog._without_commands", "now >= facts.held_until", "False"
        ),
    ),
    Mutant(
        "expired-when-seen",
        "an order has expired when the watchdog first sees it",
        ReplaceExpression(
            "flow.watchdog:Watchdog._without_commands", "now >= facts.held_until", "True"
        ),
    ),
    Mutant(
        "refused-and-paid",
        "the payment of an order that was refused or has expired stays",
        ReplaceExpression(
            "domain.saga:_owed_to_settle", "{Step.REFUND} if undoing(facts) else ()", "()"
        ),
    ),
    Mutant(
        "released-and-not-begun",
        "a release is kept, and nothing comes of it",
        ReplaceBody("domain.saga:held", "return facts.held_until is not None"),
    ),
    # What becomes of an order's parcels
    Mutant(
        "part-return-refunds",
        "the money of an order goes back when one of its parcels does",
        ReplaceExpression("domain.parcels:all_returned", "back >= parcels", "back > 0"),
    ),
    Mutant(
        "returned-and-not-refunded",
        "the money of an order that came back stays",
        ReplaceBody("domain.saga:returned", "return False"),
    ),
    Mutant(
        "return-owed-for-ever",
        "an order that came back owes its refund also when that is done",
        ReplaceExpression("domain.saga:owed", "returning - facts.outcomes.keys()", "returning"),
    ),
    Mutant(
        "return-refunded-before-posted",
        "the refund of a return does not wait for accounting's own books",
        ReplaceExpression(
            "domain.saga:owed", "returned(facts) and facts.known(Step.POST)", "returned(facts)"
        ),
    ),
    Mutant(
        "return-unsettles",
        "a confirmed order is accepted again while the refund of its return is owed",
        ReplaceExpression("domain.saga:settled", "_owed_to_settle(facts)", "owed(facts)"),
    ),
    Mutant(
        "return-never-checked",
        "the watch has no order checked that comes back when it has long been confirmed",
        ReplaceExpression(
            "flow.watch:to_check",
            "saga.at_rest(change.before) and not saga.at_rest(change.after)",
            "saga.settled(change.before) and not saga.settled(change.after)",
        ),
    ),
    Mutant(
        "return-of-no-parcel-refunds",
        "a return whose parcel is missing is one of the whole order",
        ReplaceExpression(
            "downstream.told:_news", "parcel is None and rule.parcel is not None", "False"
        ),
    ),
    Mutant(
        "news-overwritten",
        "later news of a parcel replace the first",
        ReplaceExpression(
            "aws.table:DynamoOrders._update_with_news",
            "'attribute_not_exists(#told)'",
            "'attribute_not_exists(nothing)'",
        ),
    ),
    Mutant(
        "news-of-nobody-dropped",
        "news of an order that there is not, or that was never to be shipped, are dropped",
        ReplaceStatement(
            "handlers.outcomes:_take",
            "outcomes.take_news",
            """
try:
    original
except PermanentFailure:
    return None
""",
        ),
    ),
    Mutant(
        "news-of-any-order",
        "news are recorded of an order that was never commanded to be shipped",
        ReplaceBody("flow.outcomes:_may_be_shipped", "return True"),
    ),
    Mutant(
        "news-contradicted-unseen",
        "news that contradict what is on record are passed over",
        ReplaceBody("flow.outcomes:_raise_if_contradicted", "return"),
    ),
    Mutant(
        "news-unannounced",
        "no event tells what becomes of a parcel",
        ReplaceExpression("domain.events:became_true", "in_order(after.news)", "()"),
    ),
    Mutant(
        "archived-without-late-news",
        "the archive deletes an order's facts although news have come since it read them",
        ReplaceExpression(
            "aws.archiving:_unchanged",
            "('pk', 'sk')",
            "('pk', 'sk', 'news')",
        ),
    ),
    # Found by the simulation
    Mutant(
        "gone-message-is-a-bug",
        "a message that another copy has finished with cannot be postponed, which counts as a bug",
        ReplaceExpression("aws.queues:SqsInbox.postpone", "_NO_LONGER_HELD", "()"),
    ),
    Mutant(
        "express-begun-late",
        "a call of express that had to wait for its downstream's key is begun whenever that comes",
        ReplaceBody("downstream.transport:_still_in_time", "return"),
    ),
    Mutant(
        "event-with-two-times",
        "an answer that comes when an order has settled changes the time in its last event",
        ReplaceExpression(
            "domain.events:settled_at", "{Step.CANCEL_SHIPMENT, Step.RECALL_SHIPMENT}", "set()"
        ),
    ),
    Mutant(
        "stub-without-line",
        "the archive puts an order's stub in its place without having stored its line",
        DropStatement("flow.archive:Archive._archive", "archiving.store"),
    ),
    Mutant(
        "archived-whatever-it-owes",
        "an order leaves the table before it has settled",
        ReplaceBody("flow.archive:Archive._is_due", "return True"),
    ),
    Mutant(
        "facts-deleted-unread",
        "the archive deletes an order's facts although one has come since it read them",
        ReplaceExpression(
            "aws.archiving:DynamoArchiving._moving", "delete | _unchanged(progress)", "delete"
        ),
    ),
    Mutant(
        "erased-order-comes-back",
        "the archive keeps an order as it read it, although its customer was erased since",
        ReplaceExpression(
            "aws.archiving:DynamoArchiving._moving",
            "'content = :content AND digest = :digest'",
            "'content = :content OR digest = :digest OR attribute_exists(pk)'",
        ),
    ),
    Mutant(
        "line-left-behind",
        "the archive leaves the lines of orders in its objects that stayed in the table",
        DropStatement("flow.archive:Archive._archive", "archiving.tidy"),
    ),
    Mutant(
        "half-a-run-forgotten",
        "a run of the archive does not put right what an earlier one left",
        DropStatement("aws.archiving:DynamoArchiving.begin", "self._take_out_unnamed"),
    ),
    Mutant(
        "former-line-forgotten",
        "the line that an order had before its customer cancelled it stays in the archive",
        DropStatement("aws.archiving:DynamoArchiving.batch", "former.add"),
    ),
    Mutant(
        "late-command-done",
        "a command of months ago is done and recorded although its order was archived",
        ReplaceBody("domain.keeping:may_be_archived", "return False"),
    ),
    Mutant(
        "unread-archive-is-no-order",
        "an order is not found while the archive cannot be read",
        SwallowFailure("aws.table:DynamoOrders._read_progress", "self._complete", "return None"),
    ),
    Mutant(
        "cancelled-beside-the-stub",
        "a cancellation is written for an order that was archived since it was read",
        ReplaceExpression(
            "aws.table:DynamoOrders.request_cancellation",
            "[after]",
            "[before, after]",
        ),
    ),
    Mutant(
        "refunded-without-voiding",
        "a payment goes back, and its order id still takes an order",
        ReplaceExpression(
            "flow.reconcile:Reconcile._voided",
            "self.orders.void(VoidId(one.payment.key, self.clock.now()))",
            "None",
        ),
    ),
    Mutant(
        "overflow-forgotten",
        "a payment goes back whose order waits in the overflow queue",
        ReplaceExpression("flow.reconcile:Reconcile._voided", "not in_table", "False"),
    ),
    Mutant(
        "second-payment-forgotten",
        "of two payments for an order both stay",
        ReplaceExpression("domain.payments:finding", "Finding.PAID_TWICE", "Finding.ORDERED"),
    ),
)

BY_NAME = {mutant.name: mutant for mutant in MUTANTS}
