"""Running the checks over cases, and making findings of what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .cases import Case, Problem, View
from .checks import CHECKS, Check
from .findings import Finding

Told = tuple[Check, Problem]


class Judge:
    """The checks that are asked for, by what they look at."""

    def __init__(self, view: View, is_new: Callable[[str], bool]) -> None:
        self._view = view
        self._is_new = is_new
        self._checks = _by_case(view)

    def looks_at(self, case: type) -> bool:
        """Say whether a check that is asked for looks at such cases."""
        return case in self._checks

    def is_fine(self, case: Case) -> bool:
        """Say whether no check has anything to say."""
        return not any(self._problems(case))

    def findings(self, case: Case) -> Iterator[Finding]:
        """Yield what the checks have to say, and have not said in this run."""
        for check, problem in self._problems(case):
            finding = self._finding(check, problem, case)
            if self._is_new(finding.fingerprint):
                yield finding

    def _problems(self, case: Case) -> Iterator[Told]:
        for check in self._checks.get(type(case), ()):
            problem = check.look(case, self._view)
            if problem is not None:
                yield check, problem

    def _finding(self, check: Check, problem: Problem, case: Case) -> Finding:
        facts = case.facts
        return Finding(
            check=check.id,
            severity=self._view.limits.severities.get(check.id, check.severity),
            subject=problem.subject or facts.subject,
            message=problem.message,
            bot_id=facts.bot_id,
            operation_id=facts.operation_id,
            account_id=facts.account_id,
            amount_minor=facts.amount_minor,
            currency=facts.currency,
            at_ms=facts.at_ms,
            details=problem.details,
        )


def _by_case(view: View) -> Mapping[Any, tuple[Check, ...]]:
    found: dict[type, tuple[Check, ...]] = {}
    for check in CHECKS:
        for about in (check.about, *check.also_about):
            if view.limits.wants(check.id):
                found[about] = (*found.get(about, ()), check)
    return found
