"""What Stripe shows that it is about to collect, before it is asked to."""

from __future__ import annotations

from ..models import Operation, Step
from . import invoices
from .base import minor_of, output_of


def due(operation: Operation, step: Step) -> int | None:
    """Return minor units that `step` is going to collect; None where only its answer tells.

    A customer's old debt, or a price that was changed, makes an invoice larger than its item.
    """
    if step.name != invoices.PAY:
        return None
    finalized = output_of(operation, invoices.FINALIZE)
    return None if finalized is None else minor_of(finalized.body, "amount_due")
