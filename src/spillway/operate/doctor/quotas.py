"""Whether the account lets the stage do what its settings allow."""

from __future__ import annotations

import math
from collections.abc import Iterator

from infra.event_sources import queue_sources
from infra.stage import Stage
from orders.domain.waits import PARAMETER_INIT_WAIT_MS, PARAMETER_WAIT_MS
from spillway.operate.doctor.account import Account
from spillway.operate.doctor.findings import Finding, fault, ok, warning
from spillway.target import limits

#: For reads, relay, and whatever else the account runs.
SPARE_ENVIRONMENTS = 20
WRITES_PER_ORDER = 4
#: Service Quotas' codes are the same in all Regions. Table-level write throughput limit:
#: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
TABLE_WRITES = ("dynamodb", "L-AB614373")
#: https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-throughput.html
THROUGHPUT_SETTING = "/ssm/parameter-store/high-throughput-enabled"

_CONSOLE = "ask for more in the Service Quotas console"


def check_quotas(account: Account) -> Iterator[Finding]:
    yield _concurrency(account)
    yield from _gateway(account)
    if account.service.emulator is None:
        # The emulator has no Service Quotas.
        yield _table_writes(account)


def concurrency_needed(stage: Stage) -> int:
    """Environments: intake at the throttle of `[api] place`, every queue's, and some to spare."""
    queues = sum(source.concurrency_max for source in queue_sources(stage).values())
    return _intake_environments(stage) + queues + SPARE_ENVIRONMENTS


def _intake_environments(stage: Stage) -> int:
    each = limits.LAMBDA_REQUESTS_PER_ENVIRONMENT_AND_SECOND
    return math.ceil(stage.api.place.requests_per_second_max / each)


def _concurrency(account: Account) -> Finding:
    of_account = account.client("lambda").get_account_settings()["AccountLimit"]
    has, needed = of_account["UnreservedConcurrentExecutions"], concurrency_needed(account.stage)
    about = "Lambda concurrent executions"
    if has >= needed:
        return ok(about, f"{has:,}, of which the stage may need {needed:,}")
    return fault(
        about,
        f"{has:,} are left, the stage may need {needed:,}: functions would be throttled",
        f"{_CONSOLE} (Lambda, Concurrent executions), or lower [api] and concurrency_max",
    )


def _gateway(account: Account) -> Iterator[Finding]:
    """GetAccount has what is in force. Service Quotas shows 10,000 also in Regions that have 2,500:
    https://repost.aws/questions/QU47u_cBTCQcy2qTmoR6q91w/api-gateway-throttling-discrepancy"""
    throttle = account.client("apigateway").get_account()["throttleSettings"]
    api = account.stage.api
    routes = (api.place, api.cancel, api.read, api.history, api.quote)
    rate = sum(route.requests_per_second_max for route in routes)
    yield _throttle(account, "API Gateway requests a second", throttle["rateLimit"], rate)
    burst = max(route.burst_max for route in routes)
    yield _throttle(account, "API Gateway burst", throttle["burstLimit"], burst)


def _throttle(account: Account, about: str, has: float, asked: int) -> Finding:
    if has >= asked:
        return ok(about, f"{has:,.0f}, of which [api] allows {asked:,}")
    return warning(
        about,
        f"{has:,.0f}, less than the {asked:,} of [api]: the gateway answers 429 sooner",
        f"{_CONSOLE} (API Gateway, Throttle rate), or lower [api] in {account.file}",
    )


def _table_writes(account: Account) -> Finding:
    about = "DynamoDB writes a second of a table"
    has = _quota(account, *TABLE_WRITES)
    needed = WRITES_PER_ORDER * account.stage.api.place.requests_per_second_max
    if has >= needed:
        return ok(about, f"{has:,.0f}, of which orders may need {needed:,}")
    return warning(
        about,
        f"{has:,.0f}, orders may need {needed:,}: above it they overflow and wait",
        f"{_CONSOLE} (DynamoDB, Table-level write throughput limit)",
    )


def _quota(account: Account, service: str, code: str) -> float:
    quotas = account.client("service-quotas")
    try:
        answer = quotas.get_service_quota(ServiceCode=service, QuotaCode=code)
    except quotas.exceptions.NoSuchResourceException:
        # Nothing was ever applied in this account: the default counts.
        answer = quotas.get_aws_default_service_quota(ServiceCode=service, QuotaCode=code)
    return float(answer["Quota"]["Value"])


def check_parameter_throughput(account: Account) -> Iterator[Finding]:
    """Each new environment of intake reads its keys once, and a crowd starts many in a second."""
    stage, about = account.stage, "GetParameter a second"
    reads = _intake_environments(stage) * (1 if stage.price_keys_parameter is None else 2)
    seconds = reads / limits.PARAMETER_READS_PER_SECOND
    if seconds <= (PARAMETER_INIT_WAIT_MS + PARAMETER_WAIT_MS) / 1000:
        yield ok(about, f"{reads} reads of a crowd's start take {seconds:.1f} s at most")
        return
    setting = account.client("ssm").get_service_setting(SettingId=THROUGHPUT_SETTING)
    if setting["ServiceSetting"]["SettingValue"] == "true":
        yield ok(about, "the higher throughput is switched on")
        return
    yield warning(
        about,
        f"at {limits.PARAMETER_READS_PER_SECOND:.0f}/s {reads} reads of a crowd's start take"
        f" {seconds:.0f} s: longer than intake waits, so orders would be answered 503",
        "switch on the higher throughput: `aws ssm update-service-setting --setting-id"
        f" {THROUGHPUT_SETTING} --setting-value true`",
    )
