"""Every code block of the documents runs, or is read by what reads it in life."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stripe_billing_router.webhooks.handlers import SHARED as SHARED_HANDLERS
from tests.acceptance.documents.commands import NOT_RUN, commands
from tests.acceptance.documents.files import CHECKS
from tests.acceptance.documents.pages import PAGES, Block, sections
from tests.acceptance.documents.programs import assert_readable, run_python
from tests.acceptance.documents.scenes import SCENES
from tests.acceptance.documents.shell import Shell, a_shell

SHELLS = ("console", "bash")

# Text that is neither a program nor a file, with what holds it to the truth.
TEXT = {
    ("docs/architecture.md", "  people"): "a drawing",
    ("docs/concepts/operations.md", "parse → replay?"): "a drawing",
    ("docs/policies.md", "The rule collectors"): "test_policies_document.py has it refused",
    ("docs/reference/errors.md", "RuntimeError"): "test_documentation_site.py has the docstring",
    ("docs/webhooks.md", "payment_intent.*"): "a list of event types, for Stripe's dashboard",
}


@pytest.fixture(autouse=True)
def own_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Handlers that a page registers for the process end with its test."""
    monkeypatch.setattr(SHARED_HANDLERS, "_known", {})


# Pages that are a module of tests, which pytest has to run, with what does that.
MODULES_OF_TESTS = {"docs/testing.md": "test_testing_document.py"}


@pytest.mark.parametrize("page", sorted(set(PAGES) - MODULES_OF_TESTS.keys()))
def test_every_block_of_a_page_runs_in_order(
    page: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    names: dict[str, Any] = {"__name__": page}
    with contextlib.ExitStack() as stack:
        shell = None
        for number, section in enumerate(sections(page)):
            scene = SCENES.get((page, section.title))
            if section.blocks and (shell is None or scene is not None):
                folder = tmp_path / str(number)
                folder.mkdir()
                shell = stack.enter_context(a_shell(folder, request.getfixturevalue))
                stack.enter_context((scene or SCENES.get((page, ""), _nothing))(shell))
            for block in section.blocks:
                assert shell is not None
                _run(block, shell, names)


@contextlib.contextmanager
def _nothing(_shell: Shell) -> Iterator[None]:
    yield


def _run(block: Block, shell: Shell, names: dict[str, Any]) -> None:
    if block.language in SHELLS:
        shell.run(block)
    elif block.language == "text":
        assert any(block.page == page and block.text.startswith(t) for page, t in TEXT), str(block)
    elif block.language == "python":
        assert_readable(block)
        _run_or_write(block, shell, names)
    else:
        assert block.language in CHECKS, f"{block}: nothing checks {block.language!r}"
        CHECKS[block.language](block, shell.folder)
        _write(block, shell)


def _run_or_write(block: Block, shell: Shell, names: dict[str, Any]) -> None:
    """A program with a name is a file, for a command to run; others run here."""
    if block.title is None:
        with shell.entered():
            run_python(replace(block, text=shell.with_ids(block.text)), names)
        return
    compile(block.text, str(block), "exec")
    _write(block, shell)
    using = [b.text for s in sections(block.page) for b in s.blocks if b.line > block.line]
    assert any(Path(block.title).stem in text for text in using), f"{block}: nothing runs it"


def _write(block: Block, shell: Shell) -> None:
    if block.title is not None:
        path = shell.folder / block.title
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{block.text}\n")


def test_what_is_left_out_is_there() -> None:
    blocks = [block for page in PAGES for section in sections(page) for block in section.blocks]
    for page, beginning in TEXT:
        assert any(b.page == page and b.text.startswith(beginning) for b in blocks), beginning
    shown = [command for b in blocks if b.language in SHELLS for command, _ in commands(b)]
    for name in NOT_RUN:
        assert any(command.startswith(f"{name} ") for command in shown), name


def test_scenes_are_of_sections_that_are_there() -> None:
    for page, title in SCENES:
        assert title in {section.title for section in sections(page)}, (page, title)
