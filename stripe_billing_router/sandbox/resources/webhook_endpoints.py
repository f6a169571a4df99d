"""`/v1/webhook_endpoints`. What is sent to one: `World.deliver`, `World.deliveries`."""

from __future__ import annotations

from urllib.parse import urlsplit

from ..failures import invalid
from ..family import Call, Family, Route
from ..rules.checks import merged_metadata
from ..rules.webhooks import new_endpoint
from ..wire import Json, copied
from .common import given, lister, refuse, retriever, tombstone

_KIND = "webhook_endpoint"
_PLAIN = ("description", "enabled_events", "url")
_MOST = 16


def create(call: Call) -> Json:
    """Make an endpoint. Only this answer shows its signing secret."""
    params, account = call.params, call.account
    refuse(params, ("connect",))
    _check(params)
    if len(list(account.all(_KIND))) >= _MOST:
        raise invalid(f"You have reached the maximum of {_MOST} webhook endpoints.")
    endpoint = new_endpoint(account, params["url"], params["enabled_events"])
    endpoint.update(given(params, ("api_version", "description")))
    endpoint["metadata"] = merged_metadata(params)
    return {**copied(endpoint), "secret": account.notes[endpoint["id"]]["secret"]}


def _check(params: Json) -> None:
    url = urlsplit(params.get("url", "https://valid.example"))
    if url.scheme not in ("http", "https") or not url.netloc:
        raise invalid("Invalid URL: an explicit scheme (such as https) must be provided.", "url")
    if "enabled_events" in params and not params["enabled_events"]:
        raise invalid("Name at least one event, or `*`.", "enabled_events")


def update(call: Call) -> Json:
    """Change an endpoint, or switch it off."""
    endpoint = call.account.require(_KIND, call.ids["id"])
    _check(call.params)
    endpoint["metadata"] = merged_metadata(call.params, endpoint["metadata"])
    endpoint.update(given(call.params, _PLAIN))
    if "disabled" in call.params:
        endpoint["status"] = "disabled" if call.params["disabled"] else "enabled"
    return endpoint


def delete(call: Call) -> Json:
    """Delete an endpoint."""
    endpoint = call.account.require(_KIND, call.ids["id"])
    call.account.remove(endpoint)
    call.account.mailboxes.pop(endpoint["id"])
    return tombstone(endpoint)


_ALL, _ONE = "/v1/webhook_endpoints", "/v1/webhook_endpoints/{id}"

FAMILY = Family(
    routes=(
        Route("POST", _ALL, "WebhookEndpointCreateParams", _KIND, create),
        Route("GET", _ALL, "WebhookEndpointListParams", f"list:{_KIND}", lister(_KIND)),
        Route("GET", _ONE, "WebhookEndpointRetrieveParams", _KIND, retriever(_KIND)),
        Route("POST", _ONE, "WebhookEndpointUpdateParams", _KIND, update),
        Route("DELETE", _ONE, "WebhookEndpointDeleteParams", _KIND, delete),
    ),
    nouns={_KIND: "webhook endpoint"},
)
