"""A stateful stand-in for Stripe, in memory, with a clock of its own and faults on demand.

::

    world = World()                                        # account_id=, now_ms=, clock=, seed=
    client = stripe.StripeClient(
        SANDBOX_SECRET_KEY,
        http_client=SandboxHTTPClient(world),
        base_addresses={"api": SANDBOX_API_BASE},
    )

    world.add_customer("cus_1", email="a@b.example", default_payment_method="pm_1")     -> id
    world.add_payment_method("pm_2", customer="cus_1", outcome="declined:insufficient_funds")
    world.set_default_payment_method("cus_1", "pm_2")
    world.set_outcome("pm_2", "succeeds")                  # or authentication_required, processing
    world.complete_action("pi_…", succeed=True)            # the customer acts, or pays
    world.settle_processing("pi_…", succeed=True)          # the bank answers
    world.add_product("prod_1"), world.add_price("price_1", unit_amount=500, interval="month")
    world.complete_checkout("cs_…"), world.expire_checkout("cs_…")
    world.settle_refund("re_…"), world.fail_refund("re_…")
    world.open_dispute("ch_…"), world.close_dispute("dp_…", won=True)
    world.refund_in_dashboard("pi_…", amount=500)          # or ch_…; what people do themselves
    world.cancel_in_dashboard("sub_…"), world.void_in_dashboard("in_…")
    world.answer_dispute("dp_…")

    world.add_webhook_endpoint(events=["*"], plan=DeliveryPlan(seed=1, duplicate=0.1))  -> id
    world.webhook_secret("we_…")                           # what signs its deliveries
    for payload, headers in world.deliveries("we_…"): …    # what is due now, as if answered 200
    world.deliver("we_…", lambda payload, headers: 200)    # all of it; moves the clock for retries
    world.undelivered("we_…"), world.plan_deliveries("we_…", DeliveryPlan(drop=0.5))
    world.delivery("evt_…", endpoint="we_…")               -> one of them again: payload, headers
    with sending(world): …                                 # really, over HTTP, to 127.0.0.1

    world.add_key("rk_live_…", restricted=True)            # account=, denied={"account", "charges"}
    world.revoke_key("sk_live_…")

    world.faults.add(Fault("cut", effect=True, match="POST /v1/payment_intents"))
    world.faults.add(Fault("rate_limited", retry_after=2, times=3), Fault("server_error"))
    world.faults.pending, world.faults.fired, world.faults.clear()

    world.clock.now_ms(), world.advance(seconds), world.clock.set(now_ms)
    world.requests                                         # RecordedRequest: what arrived
    world.effects()                                        # every charge that moved money
    world.objects("payment_intent"), world.get("pi_…")     # copies of what the account holds
    world.has("cus_1")

    world.handle(HttpRequest.to("POST", "/v1/customers", headers, "email=x"))   -> HttpResponse

Stripe's own test payment methods (`pm_card_visa`, `pm_card_chargeDeclined`, …) work too. The kinds
of `Fault` and what they mean are in its docstring, and those of `DeliveryPlan` in its own;
`sending` is in `sandbox.sending`. `handle` raises `WireFault` where no response
comes back; `SandboxHTTPClient` turns that into what the Stripe SDK raises. `VirtualClock` has the
methods of the engine's `Clock`, so one clock can serve both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..locks import late
from .access import SANDBOX_SECRET_KEY
from .clock import VirtualClock
from .delivery_plan import DeliveryPlan
from .faults import Fault
from .posting import Delivery
from .wire import HttpRequest, HttpResponse, WireFault
from .world import World

if TYPE_CHECKING:
    from .client import SANDBOX_API_BASE, SandboxHTTPClient

__all__ = [
    "SANDBOX_API_BASE",
    "SANDBOX_SECRET_KEY",
    "Delivery",
    "DeliveryPlan",
    "Fault",
    "HttpRequest",
    "HttpResponse",
    "SandboxHTTPClient",
    "VirtualClock",
    "WireFault",
    "World",
]

# With the client comes the Stripe SDK, which is heavy; importing this package is not.
__getattr__ = late(__name__, {".client": "SANDBOX_API_BASE SandboxHTTPClient"})
