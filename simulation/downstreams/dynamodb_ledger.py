"""The ledger on DynamoDB, one table per downstream, keys pk (S) and sk (S).

    entry  pk = <customer id>/<order id>   sk = <step>#<idempotency key>   the fields of `Entry`
    claim  pk = key#<idempotency key>      sk = claim                      fingerprint (S)

An entry's fields are attributes of the same name, S for text and N for whole numbers. A field that
is None is absent. Only entries have an `outcome`, which tells the two kinds apart in a scan.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from simulation.downstreams.ledger import Entry, KeyReusedError, LedgerUnavailableError

#: As many as the server's worker threads: more would be idle, fewer would make a thread wait.
CONNECTIONS_MAX = 40
CONNECT_TIMEOUT_SECONDS = 2
READ_TIMEOUT_SECONDS = 10
ATTEMPTS_MAX = 3
_CONDITION_FAILED = "ConditionalCheckFailed"

Item = dict[str, dict[str, str]]


class DynamoDBLedger:
    """Safe for threads, as its boto3 client is."""

    def __init__(self, client: Any, table_name: str) -> None:
        self._client = client
        self._table_name = table_name

    def claim(self, idempotency_key: str, fingerprint: str) -> None:
        with _translated_errors():
            try:
                self._client.put_item(**self._claim(idempotency_key, fingerprint))
            except self._client.exceptions.ConditionalCheckFailedException:
                raise KeyReusedError(idempotency_key) from None

    def record(self, entry: Entry, fingerprint: str) -> Entry:
        """One request for both items: a command is most of what a local run asks of its table."""
        claim = self._claim(entry.idempotency_key, fingerprint)
        keys = {
            "pk": _order_key(entry.customer_id, entry.order_id),
            "sk": f"{entry.step}#{entry.idempotency_key}",
        }
        written = {
            "TableName": self._table_name,
            "Item": _item(**keys, **asdict(entry)),
            "ConditionExpression": "attribute_not_exists(pk)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        with _translated_errors():
            try:
                self._client.transact_write_items(TransactItems=[{"Put": claim}, {"Put": written}])
            except self._client.exceptions.TransactionCanceledException as error:
                of_claim, of_entry = error.response["CancellationReasons"]
                if of_claim["Code"] == _CONDITION_FAILED:
                    raise KeyReusedError(entry.idempotency_key) from None
                if of_entry["Code"] != _CONDITION_FAILED:
                    raise
                return _entry(of_entry["Item"])
        return entry

    def _claim(self, idempotency_key: str, fingerprint: str) -> dict[str, Any]:
        return {
            "TableName": self._table_name,
            "Item": _item(pk=f"key#{idempotency_key}", sk="claim", fingerprint=fingerprint),
            "ConditionExpression": "attribute_not_exists(pk) OR fingerprint = :fingerprint",
            "ExpressionAttributeValues": {":fingerprint": {"S": fingerprint}},
        }

    def entries(self, customer_id: str, order_id: str) -> tuple[Entry, ...]:
        key = {":pk": {"S": _order_key(customer_id, order_id)}}
        return tuple(
            self._read("query", KeyConditionExpression="pk = :pk", ExpressionAttributeValues=key)
        )

    def all_entries(self) -> list[Entry]:
        return self._read("scan")

    def _read(self, call: str, **request: Any) -> list[Entry]:
        with _translated_errors():
            pages = self._client.get_paginator(call).paginate(
                TableName=self._table_name, ConsistentRead=True, **request
            )
            return [_entry(item) for page in pages for item in page["Items"] if "outcome" in item]


def dynamodb_ledgers(
    tables: Mapping[str, str],
    *,
    endpoint_url: str,
    region: str,
    access_key_id: str,
    secret_access_key: str,
) -> dict[str, DynamoDBLedger]:
    """A ledger per downstream, from downstream to table name, on one shared client."""
    client = boto3.client(
        "dynamodb",
        endpoint_url=endpoint_url,
        region_name=region,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        config=Config(
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS_MAX},
            max_pool_connections=CONNECTIONS_MAX,
            # Straight to the endpoint, whatever proxy the environment names.
            proxies={},
        ),
    )
    return {downstream: DynamoDBLedger(client, table) for downstream, table in tables.items()}


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise LedgerUnavailableError(str(error)) from error


def _order_key(customer_id: str, order_id: str) -> str:
    return f"{customer_id}/{order_id}"


def _item(**attributes: str | int | None) -> Item:
    return {
        name: {"S": value} if isinstance(value, str) else {"N": str(value)}
        for name, value in attributes.items()
        if value is not None
    }


def _entry(item: Item) -> Entry:
    fields: dict[str, Any] = {
        name: int(value["N"]) if "N" in value else value["S"]
        for name, value in item.items()
        if name not in ("pk", "sk")
    }
    return Entry(**fields)
