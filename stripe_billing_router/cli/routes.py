"""`routes`: what the routing file says, and what one call would bill with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Annotated, Any, Final

import typer

from ..bootstrap import all_verbs
from ..config import RoutingFile
from ..errors import InvalidRequestError
from ..models import BotId, Route, RouteKey
from ..models.routes import FIELDS
from ..money import amounts_as_text
from ..policy import Limit, limits
from ..redaction import shown
from ..routing import REGION, RoutingTable
from .completing import BotArgument
from .ground import ConfigOption, JsonOption, routing_file
from .linting import lint
from .output import as_json, as_table

app = typer.Typer(help="Look at the routing file.", no_args_is_help=True)
app.command("lint")(lint)

_Override = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=VALUE", help="As in a call's overrides; may be repeated."),
]
_COLUMNS: Final = ("product_id", "price_id", "customer_id")


@app.command("list")
def list_routes(config: ConfigOption = None, as_json_: JsonOption = False) -> None:
    """Show every route of the file."""
    file = routing_file(config)
    rules = _rules_by_route(file)
    if as_json_:
        as_json([_described(file, key, rules.get(key, {})) for key in file.routes])
        return
    headings = ("bot", "region", *_COLUMNS, "currency", "overrides")
    as_table(headings, [_row(file, key, rules.get(key, {})) for key in file.routes])


@app.command("explain")
def explain(
    bot_id: BotArgument,
    override: _Override = None,
    config: ConfigOption = None,
    as_json_: JsonOption = False,
) -> None:
    """Show what a call of BOT would bill with; sends nothing.

    As far as the file decides: strategies and what bots register at run time live in their
    process and are not seen here.
    """
    file = routing_file(config)
    bot = BotId.parse(bot_id)
    overrides = _pairs(override or [])
    table = RoutingTable(file.routes, file.overrides, file.default_currency)
    found = table.resolve(bot, overrides)
    applying = _limits(file, bot, found.region)
    if as_json_:
        as_json(
            {
                **_explained(bot, overrides, found.region, found.route, found.currency),
                "limits": [amounts_as_text(asdict(limit)) for limit in applying],
            }
        )
        return
    plain = table.resolve(bot, {REGION: found.region}).route
    rows = [("bot", str(bot), ""), ("region", found.region, "")]
    rows += [_field_row(name, found.route, plain) for name in FIELDS if name in found.route]
    if "currency" not in found.route:
        rows.append(("currency", found.currency, "default_currency"))
    rows += [_limit_row(limit) for limit in applying]
    as_table(("field", "value", "from"), rows)


def _limits(file: RoutingFile, bot: BotId, region: str) -> list[Limit]:
    """Return the limits of every verb, each once, in the file's order."""
    found = [
        limit for verb in all_verbs().values() for limit in limits(file.policies, bot, verb, region)
    ]
    return list(dict.fromkeys(found))


def _limit_row(limit: Limit) -> tuple[str, str, str]:
    allowed = limit.limit
    value = ", ".join(allowed) if isinstance(allowed, tuple) else str(allowed or "")
    per = f"per {limit.window}" if limit.window else ""
    text = " ".join(part for part in (value, limit.currency, per) if part)
    return limit.what, text or "yes", f"policies.rules.{limit.rule}"


def _pairs(given: Iterable[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or key in pairs:
            raise InvalidRequestError(
                f"--override {shown(text)} is not KEY=VALUE, or gives a key again; write "
                "--override region=eu, and each key once.",
                parameter="override",
            )
        pairs[key] = value
    return pairs


_Rules = dict[str, dict[str, Mapping[str, str]]]


def _rules_by_route(file: RoutingFile) -> dict[RouteKey, _Rules]:
    rules: dict[RouteKey, _Rules] = {}
    for (*route, key, value), fields in file.overrides.items():
        domain, region, category, bot = route
        of_route = rules.setdefault((domain, region, category, bot), {})
        of_route.setdefault(key, {})[value] = fields
    return rules


def _described(file: RoutingFile, key: RouteKey, rules: _Rules) -> dict[str, Any]:
    domain, region, category, name = key
    return {
        "bot_id": str(BotId(domain, category, name)),
        "domain": domain,
        "region": region,
        "business_category": category,
        "bot_name": name,
        "currency": file.routes[key].currency or file.default_currency,
        "route": dict(file.routes[key]),
        "overrides": rules,
    }


def _row(file: RoutingFile, key: RouteKey, rules: _Rules) -> tuple[str, ...]:
    domain, region, category, name = key
    route = file.routes[key]
    return (
        str(BotId(domain, category, name)),
        region,
        *(route[column] for column in _COLUMNS),
        route.currency or file.default_currency,
        "; ".join(f"{name}={','.join(values)}" for name, values in rules.items()),
    )


def _explained(
    bot: BotId, overrides: Mapping[str, str], region: str, route: Route, currency: str
) -> dict[str, Any]:
    return {
        "bot_id": str(bot),
        "region": region,
        "overrides": {key: value for key, value in overrides.items() if key != REGION},
        "currency": currency,
        "route": dict(route),
    }


def _field_row(name: str, route: Route, plain: Route) -> tuple[str, str, str]:
    return name, route[name], "route" if plain.get(name) == route[name] else "override"
