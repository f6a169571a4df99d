"""Everything that goes around the router is found, and nothing that goes through it."""

from __future__ import annotations

import operator
from collections import Counter
from pathlib import Path

import pytest

from stripe_billing_router.usage_lint import RULES, Finding, lint
from tests.unit.usage_lint.corpus_reader import LOOK_ALIKES, TAIL, Snippet, snippets

POSITIVE = snippets("positive")
FRESH = snippets("fresh")
FOUND = [*POSITIVE, *FRESH]
NEGATIVE = snippets("negative")
UNSEEN = snippets("unseen")
_NAME = operator.attrgetter("name")

Found = dict[str, list[Finding]]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What is found in each snippet, by its name."""
    folder = tmp_path_factory.mktemp("corpus")
    return {
        one.name: lint([_written(folder / one.name, one)]) for one in [*FOUND, *NEGATIVE, *UNSEEN]
    }


def _written(folder: Path, snippet: Snippet) -> Path:
    path = folder / snippet.path
    path.parent.mkdir(parents=True)
    path.write_bytes(snippet.text.encode("latin-1" if "latin_1" in snippet.name else "utf-8"))
    return path


def _rules(findings: list[Finding]) -> set[str]:
    return {finding.rule for finding in findings}


def test_the_corpus_is_large_and_each_name_stands_once() -> None:
    assert len(POSITIVE) >= 200
    assert len(FRESH) == 40
    assert len(NEGATIVE) >= 130
    names = Counter(snippet.name for snippet in [*FOUND, *NEGATIVE, *UNSEEN])
    assert [name for name, times in names.items() if times > 1] == []
    assert {rule for one in POSITIVE for rule in one.rules} == set(RULES) - {"SBR006"}


@pytest.mark.parametrize("snippet", FOUND, ids=_NAME)
def test_what_goes_around_the_router_is_found(found: Found, snippet: Snippet) -> None:
    assert _rules(found[snippet.name]) == snippet.rules


@pytest.mark.parametrize("snippet", NEGATIVE, ids=_NAME)
def test_what_goes_through_the_router_is_not_flagged(found: Found, snippet: Snippet) -> None:
    assert found[snippet.name] == []


@pytest.mark.parametrize("snippet", UNSEEN, ids=_NAME)
def test_what_is_knowingly_not_seen_is_still_not_seen(found: Found, snippet: Snippet) -> None:
    """The documented list is true: what the lint learns to see moves to the positive snippets."""
    assert found[snippet.name] == []


def test_precision_and_recall_are_one(found: Found, capsys: pytest.CaptureFixture[str]) -> None:
    """Counted by rule: a snippet under a wrong rule costs both."""
    right = said = wanted = 0
    for snippet in [*FOUND, *NEGATIVE]:
        rules = _rules(found[snippet.name])
        right += len(rules & snippet.rules)
        said += len(rules)
        wanted += len(snippet.rules)
    precision, recall = right / said, right / wanted
    with capsys.disabled():
        print(
            f"\nusage lint: precision {precision:.3f}, recall {recall:.3f} on "
            f"{len(FOUND)} positive and {len(NEGATIVE)} negative snippets"
        )
    assert (precision, recall) == (1.0, 1.0)


def test_nothing_is_flagged_twice(found: Found) -> None:
    for name, findings in found.items():
        places = Counter((finding.line, finding.rule) for finding in findings)
        assert set(places.values()) <= {1}, name


def test_no_message_shows_a_key(found: Found) -> None:
    told = "\n".join(str(finding) for findings in found.values() for finding in findings)
    assert TAIL not in told
    assert not any(key in told for key in LOOK_ALIKES.values())
