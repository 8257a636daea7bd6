"""Inventory, fulfilment and accounting, as Spillway meets them: three fakes for local runs.

The real ones belong to others; all that is known of them is docs/contracts/*.yaml, which the tests
compare with these fakes. A fake is a function from request to response (`fake.FakeDownstream`)
with its ledger, clock and dice given to it, so that the local run (`server`, over HTTP on DynamoDB)
and the simulation (in memory, by one seed) meet the same behaviour.

What they promise, and what they deliberately do not:

- One `Idempotency-Key` has one effect and one answer, however often and however concurrently it is
  sent. A key belongs to the whole downstream, not to one order: an order id is unique only for its
  customer, so a key made without the customer would join two orders. That is answered as a broken
  contract (`idempotency_key_reused`) and not served as two effects.
- A lookup tells what was once done or refused, also after it was undone. With the keys switched
  off (`fault_settings.FaultSettings.idempotency_keys`) lookups are all that a caller has.
- Another key for the same order and step is another effect, and is kept as one. A kinder fake
  would hide exactly the violation that an audit must find.
- They share no code with `orders`: a misreading of the contract there must not be repeated here.
"""
