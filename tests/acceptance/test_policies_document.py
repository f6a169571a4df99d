"""Everything that docs/policies.md shows is true: its files, its table of calls, its findings."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stripe_billing_router.bootstrap import routing_file
from stripe_billing_router.config.policies import CALL_FIELDS, budget_fields, rule_fields
from stripe_billing_router.errors import PolicyViolationError
from stripe_billing_router.models import BotId, Policies
from stripe_billing_router.money import to_minor
from stripe_billing_router.policy import Demands, Facts, demands, linting
from stripe_billing_router.providers.stripe.verbs import VERBS
from stripe_billing_router.routing import linting as overrides
from stripe_billing_router.routing import stripe_objects

TEXT = (Path(__file__).parents[2] / "docs/policies.md").read_text()
YAML = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
PLAIN = re.findall(r"```text\n(The rule .*?)\n```", TEXT, re.DOTALL)
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if line.startswith("| `")
]
CALLS = [row for row in ROWS if re.match(r"`(charge|refund|create_customer) ", row[0])]


def _policies(folder: Path, text: str) -> Policies:
    path = folder / "routes.yaml"
    path.write_text(text)
    return routing_file(path).policies


def _facts(call: str) -> Facts:
    verb, bot, *amount = call.split()
    if not amount:
        return Facts(BotId.parse(bot), VERBS[verb], "default", None, None)
    minor = None if amount[0] == "unknown" else to_minor(amount[0], amount[1])
    return Facts(BotId.parse(bot), VERBS[verb], "default", minor, amount[1])


def _result(found: Demands) -> str:
    if found.approval:
        return f"approval by `{found.approval}`"
    return f"own payments by `{found.own_payment}`" if found.own_payment else "passes"


@pytest.mark.parametrize("row", CALLS, ids=lambda row: row[0])
def test_the_table_of_calls_is_what_happens(tmp_path: Path, row: list[str]) -> None:
    policies, reserved = _policies(tmp_path, YAML[0]), ""
    try:
        found = demands(policies, _facts(row[0].strip("`")))
        result = _result(found)
        reserved = ", ".join(f"`{part.counter}`" for part in found.reservations)
    except PolicyViolationError as error:
        result = f"refused by `{error.rule}`"
    assert [result, reserved] == row[1:]


def test_there_are_calls_to_try() -> None:
    assert len(CALLS) >= 10


@pytest.mark.parametrize("text", YAML)
def test_every_file_is_valid(tmp_path: Path, text: str) -> None:
    assert _policies(tmp_path, text).rules


def test_the_message_is_the_real_one(tmp_path: Path) -> None:
    with pytest.raises(PolicyViolationError) as caught:
        demands(_policies(tmp_path, YAML[0]), _facts("charge finance:fee_collector 500.01 usd"))
    assert [str(caught.value)] == PLAIN


def test_every_field_is_explained_and_exists() -> None:
    told = {row[0].strip("`") for row in ROWS}
    fields = {*rule_fields(VERBS), *budget_fields(VERBS)} - {"match"}
    assert fields <= told
    assert all(f"`{name}`" in TEXT for name in CALL_FIELDS)


def _ids(room: Any) -> set[str]:
    return set(re.findall(r'"((?:[a-z]+-)+[a-z]+)"', Path(room.__file__).read_text()))


def test_every_finding_is_explained_and_exists() -> None:
    is_finding: Callable[[str], Any] = re.compile(r"(?:[a-z]+-)+[a-z]+").fullmatch
    told = {name for row in ROWS if is_finding(name := row[0].strip("`"))}
    assert told == _ids(linting) | _ids(overrides) | _ids(stripe_objects)
