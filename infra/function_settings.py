"""The values of each function's settings: those of its stage, and its resources' addresses.

The CDK deploys them, and the simulated world runs the functions with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from infra.stage import Stage
from orders.domain.saga import Downstream
from orders.settings import (
    ArchiveSettings,
    Called,
    DeliverSettings,
    DrainSettings,
    IntakeSettings,
    OAuthClient,
    OutcomesSettings,
    PaymentsSettings,
    ReadsSettings,
    RelaySettings,
    Settings,
    ToldBy,
    WatchdogSettings,
    events_published_of,
)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Queues go by their names without the stage: `inventory`, `overflow`, `watchdog`, `relay`."""

    orders_table: str
    prices_bucket: str
    archive_bucket: str
    coupons_table: str
    events_topic_arn: str
    queue_urls: Mapping[str, str]
    dead_letter_queue_urls: Mapping[str, str]
    downstream_urls: Mapping[Downstream, str]


def function_settings(stage: Stage, addresses: Addresses) -> Mapping[str, Settings]:
    """By the function's name without the stage."""
    claims, approvals = stage.orders.customer_claim, stage.orders.approvals
    table, topic = addresses.orders_table, addresses.events_topic_arn
    queues, dead_letters = addresses.queue_urls, addresses.dead_letter_queue_urls
    return {
        "intake": IntakeSettings(
            orders_table=table,
            table_timeout_seconds=stage.orders.table_timeout_seconds,
            overflow_queue_url=queues["overflow"],
            receipt_keys_parameter=stage.receipt_keys_parameter,
            currencies=",".join(stage.orders.currencies),
            retail_customer_claim=claims.retail,
            wholesale_customer_claim=claims.wholesale,
            groups_claim=stage.orders.groups_claim,
            wholesale_group=stage.orders.wholesale_group,
            prices=stage.orders.prices,
            price_grace_seconds=stage.orders.price_grace_seconds,
            prices_bucket=addresses.prices_bucket,
            archive_bucket=addresses.archive_bucket,
            price_keys_parameter=stage.price_keys_parameter,
            coupons_table=addresses.coupons_table,
            coupon_keys_parameter=stage.coupon_keys_parameter,
            purchase_orders_unique=stage.orders.purchase_orders_unique,
            limit_claim=None if approvals is None else approvals.limit_claim,
            approver_group=None if approvals is None else approvals.group,
            hold_days=None if approvals is None else approvals.days,
            express=stage.express is not None,
            good_news_one_in=stage.logs.good_news_one_in,
        ),
        "reads": ReadsSettings(
            orders_table=table,
            archive_bucket=addresses.archive_bucket,
            retail_customer_claim=claims.retail,
            wholesale_customer_claim=claims.wholesale,
        ),
        **_archive(stage, addresses),
        **_payments(stage, addresses),
        "drain": DrainSettings(
            orders_table=table,
            queue_url=queues["overflow"],
            dead_letter_queue_url=dead_letters["overflow"],
        ),
        "relay": RelaySettings(
            orders_table=table,
            coupons_table=addresses.coupons_table,
            inventory_queue_url=queues["inventory"],
            fulfilment_queue_url=queues["fulfilment"],
            accounting_queue_url=queues["accounting"],
            watchdog_queue_url=queues["watchdog"],
            events_topic_arn=topic,
            events_published=events_published_of(stage.events.published),
            relay_dead_letter_queue_url=dead_letters["relay"],
        ),
        "watchdog": WatchdogSettings(
            orders_table=table,
            coupons_table=addresses.coupons_table,
            queue_url=queues["watchdog"],
            dead_letter_queue_url=dead_letters["watchdog"],
            inventory_queue_url=queues["inventory"],
            fulfilment_queue_url=queues["fulfilment"],
            accounting_queue_url=queues["accounting"],
            inventory_dead_letter_queue_url=dead_letters["inventory"],
            fulfilment_dead_letter_queue_url=dead_letters["fulfilment"],
            accounting_dead_letter_queue_url=dead_letters["accounting"],
            events_topic_arn=topic,
            events_published=events_published_of(stage.events.published),
            delay_seconds=stage.watchdog.delay_seconds,
        ),
        **_deliveries(stage, addresses),
        **_outcomes(stage, addresses),
    }


def _deliveries(stage: Stage, addresses: Addresses) -> Mapping[str, Settings]:
    called = {
        name: called_of(stage, name, addresses.downstream_urls[name])
        for name in stage.downstreams.by_name()
    }
    return {
        f"deliver-{name}": DeliverSettings(
            orders_table=addresses.orders_table,
            queue_url=addresses.queue_urls[name],
            dead_letter_queue_url=addresses.dead_letter_queue_urls[name],
            downstream=name,
            downstreams=msgspec.json.encode(
                {each: called[each] for each in stage.called_by(name)}
            ).decode(),
            good_news_one_in=stage.logs.good_news_one_in,
            turns_seconds=stage.turns_seconds(name),
            finish_seconds=stage.finish_seconds,
            express_seconds=(
                stage.express.seconds if stage.express and name == "inventory" else None
            ),
        )
        for name in called
    }


def called_of(stage: Stage, name: Downstream, url: str) -> Called:
    downstream, secrets = stage.downstreams.by_name()[name], stage.secret_parameters(name)
    oauth = None
    if downstream.token_url is not None and downstream.client_id is not None:
        oauth = OAuthClient(
            token_url=_below(url, downstream.token_url),
            client_id=downstream.client_id,
            secret_parameter=secrets["client-secret"],
            scope=downstream.scope,
            audience=downstream.audience,
            client_auth=downstream.client_auth,
        )
    return Called(
        url=url,
        auth=downstream.auth,
        idempotency=downstream.idempotency,
        timeout_seconds=downstream.timeout_seconds,
        description=stage.descriptions[name],
        api_key_parameter=secrets.get("api-key"),
        signing_service=downstream.signing and downstream.signing[0],
        signing_region=downstream.signing and downstream.signing[1],
        oauth=oauth,
        client_certificate_parameter=secrets.get("client-certificate"),
        server_ca_parameter=secrets.get("server-ca"),
    )


def _outcomes(stage: Stage, addresses: Addresses) -> Mapping[str, Settings]:
    """Only a stage with a downstream that tells has the function."""
    told_by = {
        name: ToldBy(
            description=stage.descriptions[name],
            queue_url=addresses.queue_urls[f"outcomes-{name}"],
            dead_letter_queue_url=addresses.dead_letter_queue_urls[f"outcomes-{name}"],
            keys_parameter=(
                stage.outcome_keys_parameter(name) if outcomes.by == "callback" else None
            ),
        )
        for name, outcomes in stage.tellers.items()
    }
    if not told_by:
        return {}
    settings = OutcomesSettings(addresses.orders_table, msgspec.json.encode(told_by).decode())
    return {"outcomes": settings}


def _below(url: str, address: str) -> str:
    """An address, or a path below the downstream's `url`."""
    return url + address if address.startswith("/") else address


def _archive(stage: Stage, addresses: Addresses) -> Mapping[str, Settings]:
    """Only a stage on which orders leave the table has the function."""
    if stage.keeping.days is None:
        return {}
    settings = ArchiveSettings(
        orders_table=addresses.orders_table,
        archive_bucket=addresses.archive_bucket,
        keep_days=stage.keeping.days,
        keep_imported="archive" if stage.keeping.imported else "table",
        run_seconds=stage.functions.archive.timeout_seconds,
    )
    return {"archive": settings}


def _payments(stage: Stage, addresses: Addresses) -> Mapping[str, Settings]:
    if stage.payments is None:
        return {}
    settings = PaymentsSettings(
        orders_table=addresses.orders_table,
        archive_bucket=addresses.archive_bucket,
        overflow_queue_url=addresses.queue_urls["overflow"],
        overflow_dead_letter_queue_url=addresses.dead_letter_queue_urls["overflow"],
        events_topic_arn=addresses.events_topic_arn,
        events_published=events_published_of(stage.events.published),
        gateway=stage.payments.gateway,
        gateway_url=stage.payments.url,
        gateway_key_parameter=stage.gateway_key_parameter,
        window_days=stage.payments.window_days,
        refunds_max=stage.payments.refunds_max,
        run_seconds=stage.functions.payments.timeout_seconds,
    )
    return {"payments": settings}
