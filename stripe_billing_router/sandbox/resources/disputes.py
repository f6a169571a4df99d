"""`/v1/disputes`."""

from __future__ import annotations

from ..failures import refused
from ..family import Call, Family, Route
from ..rules import disputes as rules
from ..rules.checks import merged_metadata
from ..wire import Json, copied
from .common import lister, retriever

_KIND = "dispute"


def update(call: Call) -> Json:
    """Add evidence; with `submit`, which is the default, the bank looks at it."""
    dispute = _undecided(call)
    before = copied(dispute)
    dispute["metadata"] = merged_metadata(call.params, dispute["metadata"])
    dispute["evidence"] |= call.params.get("evidence", {})
    details = dispute["evidence_details"]
    details["has_evidence"] = any(dispute["evidence"].values())
    if call.params.get("submit", True) and "evidence" in call.params:
        dispute["status"] = "under_review"
        details["submission_count"] += 1
        details["submission_method"] = "manual"
    call.account.changed("charge.dispute.updated", dispute, before)
    return dispute


def close(call: Call) -> Json:
    """Give in: the dispute is lost."""
    dispute = _undecided(call)
    rules.close(call.account, dispute, won=False)
    return dispute


def _undecided(call: Call) -> Json:
    dispute = call.account.require(_KIND, call.ids["id"])
    if dispute["status"] in ("won", "lost"):
        raise refused(f"This dispute is already closed: it was {dispute['status']}.")
    return dispute


_ALL, _ONE = "/v1/disputes", "/v1/disputes/{id}"

FAMILY = Family(
    routes=(
        Route(
            "GET",
            _ALL,
            "DisputeListParams",
            f"list:{_KIND}",
            lister(_KIND, {"charge": "charge", "payment_intent": "payment_intent"}),
        ),
        Route("GET", _ONE, "DisputeRetrieveParams", _KIND, retriever(_KIND)),
        Route("POST", _ONE, "DisputeUpdateParams", _KIND, update),
        Route("POST", f"{_ONE}/close", "DisputeCloseParams", _KIND, close),
    ),
    nouns={_KIND: _KIND},
    expandable={_KIND: {"charge": "charge", "payment_intent": "payment_intent"}},
)
