"""Three fakes that differ as much as real downstreams do, each with a contract of its own.

    erp        inventory    HTTPS, an API key in Authorization, holds decided in batches, a signed
                            callback, fields in German, decimal amounts as text
    warehouse  fulfilment   a queue of its own for commands, one of ours for outcomes, no HTTP
    books      accounting   HTTPS, OAuth 2 client credentials, lookups, and no idempotency keys

Their contracts are in docs/contracts/examples/, which the tests compare with these fakes.
Spillway calls them by `src/orders/downstream/descriptions/<name>.toml`. Decisions, ledger and fault
settings are those of the fakes of our own contracts, so that the same audit judges both.
"""
