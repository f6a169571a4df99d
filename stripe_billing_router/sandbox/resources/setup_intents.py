"""`/v1/setup_intents`."""

from __future__ import annotations

from ..failures import invalid, unexpected_state
from ..family import Call, Family, Route
from ..rules import setups as rules
from ..rules.checks import merged_metadata
from ..rules.payment_methods import usable_method
from ..wire import Json, copied
from .common import change, given, lister, refuse, retriever
from .payment_methods import method_of_data

_KIND = "setup_intent"
_PLAIN = ("description", "flow_directions", "payment_method_options", "usage")
_NOT_HERE = ("attach_to_self", "confirmation_token", "on_behalf_of", "single_use")
_CODE = "setup_intent_unexpected_state"


def create(call: Call) -> Json:
    """Make a setup intent, and confirm it if asked to."""
    params, account = call.params, call.account
    refuse(params, _NOT_HERE)
    if "customer" in params:
        account.require("customer", params["customer"], "customer")
    metadata = merged_metadata(params)
    method = _method(call, params.get("customer"))
    setup = rules.new_setup(account, params.get("customer"))
    setup.update(given(params, _PLAIN), metadata=metadata)
    setup["automatic_payment_methods"] |= params.get("automatic_payment_methods", {})
    _choose(setup, method)
    if params.get("confirm"):
        _check_redirects(call, setup)
    account.emit("setup_intent.created", account.add(setup))
    return _confirmed(call, setup) if params.get("confirm") else setup


def _method(call: Call, customer: str | None) -> Json | None:
    if "payment_method_data" in call.params:
        return method_of_data(call.account, call.params["payment_method_data"])
    if "payment_method" in call.params:
        return usable_method(call.account, call.params["payment_method"], customer)
    return None


def _choose(setup: Json, method: Json | None) -> None:
    if method:
        setup["payment_method"], setup["status"] = method["id"], "requires_confirmation"


def _check_redirects(call: Call, setup: Json) -> None:
    automatic = setup["automatic_payment_methods"]
    redirects = automatic["enabled"] and automatic["allow_redirects"] == "always"
    if redirects and call.account.redirect_methods and "return_url" not in call.params:
        raise invalid(
            "This SetupIntent accepts payment methods that may redirect your customer: provide a "
            "`return_url`, or set `automatic_payment_methods[allow_redirects]` to `never`."
        )


def _confirmed(call: Call, setup: Json) -> Json:
    if setup["payment_method"] is None:
        message = "You cannot confirm this SetupIntent because it's missing a payment method."
        raise unexpected_state(_CODE, message, setup_intent=copied(setup))
    method = call.account.require("payment_method", setup["payment_method"])
    rules.attempt(call.account, setup, method, call.params.get("return_url"))
    return setup


def _open(call: Call, verb: str) -> Json:
    setup = call.account.require(_KIND, call.ids["id"])
    if setup["status"] not in rules.OPEN:
        message = (
            f"You cannot {verb} this SetupIntent because it has a status of {setup['status']}."
        )
        raise unexpected_state(_CODE, message, setup_intent=copied(setup))
    return setup


def confirm(call: Call) -> Json:
    """Check the payment method, and keep it."""
    setup = _open(call, "confirm")
    refuse(call.params, _NOT_HERE)
    _check_redirects(call, setup)
    _choose(setup, _method(call, setup["customer"]))
    return _confirmed(call, setup)


def cancel(call: Call) -> Json:
    """Cancel a setup intent that is still open."""
    setup = _open(call, "cancel")
    rules.cancel(call.account, setup, call.params.get("cancellation_reason"))
    return setup


def update(call: Call) -> Json:
    """Change a setup intent that is still open."""
    setup = _open(call, "update")
    refuse(call.params, _NOT_HERE)
    if "customer" in call.params:
        call.account.require("customer", call.params["customer"], "customer")
        setup["customer"] = call.params["customer"]
    _choose(setup, _method(call, setup["customer"]))
    change(call, setup, _PLAIN)
    return setup


_ALL, _ONE = "/v1/setup_intents", "/v1/setup_intents/{id}"

FAMILY = Family(
    routes=(
        Route("POST", _ALL, "SetupIntentCreateParams", _KIND, create),
        Route(
            "GET",
            _ALL,
            "SetupIntentListParams",
            f"list:{_KIND}",
            lister(_KIND, {"customer": "customer", "payment_method": "payment_method"}),
        ),
        Route("GET", _ONE, "SetupIntentRetrieveParams", _KIND, retriever(_KIND)),
        Route("POST", _ONE, "SetupIntentUpdateParams", _KIND, update),
        Route("POST", f"{_ONE}/confirm", "SetupIntentConfirmParams", _KIND, confirm),
        Route("POST", f"{_ONE}/cancel", "SetupIntentCancelParams", _KIND, cancel),
    ),
    nouns={_KIND: "setupintent"},
    expandable={_KIND: {"customer": "customer", "payment_method": "payment_method"}},
)
