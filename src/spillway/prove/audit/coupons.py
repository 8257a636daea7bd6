"""Whether limited coupons were used as often as orders hold them, as `spillway coupons audit` finds
it: nothing that an order used up is lost to one that does not stand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from orders.domain.promises import Promise
from spillway.operate.coupons.evidence import Finding
from spillway.operate.coupons.uses import Audit
from spillway.prove.audit.verdicts import Violation


def judge_coupons(findings: Iterable[Finding]) -> Iterator[Violation]:
    for finding in findings:
        detail = f"{finding.claim} {finding.detail}"
        yield Violation(Promise.COUPON_WITHIN_LIMITS, finding.order, detail)


def coupon_evidence(found: Audit) -> dict[Promise, str]:
    """What it was judged by; nothing where no limited coupon was ever used."""
    if not (found.orders or found.claims):
        return {}
    uses = f"{found.orders:,} orders with limited coupons against {found.claims:,} items"
    return {Promise.COUPON_WITHIN_LIMITS: uses}
