"""Notebooks are programs with a lot around them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stripe_billing_router.usage_lint import lint
from tests.unit.usage_lint.corpus_reader import LOOK_ALIKES
from tests.unit.usage_lint.lint_helpers import places, project

KEY = LOOK_ALIKES["sk_live"]


def code(*lines: str) -> dict[str, Any]:
    source = [f"{line}\n" for line in lines]
    return {"cell_type": "code", "outputs": [], "source": source}


def found(folder: Path, *cells: dict[str, Any], **others: Any) -> list[str]:
    text = json.dumps({"cells": cells, "metadata": {}, **others}, indent=1, ensure_ascii=False)
    return places(lint([project(folder, {"a.ipynb": text})]), folder)


def test_a_finding_is_at_its_line_of_the_file(tmp_path: Path) -> None:
    cells = code("x = 'größe'", "", "import stripe"), code("y = 1", "  ", "import stripe as s")
    assert found(tmp_path, *cells) == ["a.ipynb:9:13 SBR001", "a.ipynb:18:13 SBR001"]
    lines = (tmp_path / "a.ipynb").read_text().splitlines()
    assert lines[8][12:].startswith("stripe")
    assert lines[17][12:].startswith("stripe as s")


def test_cells_share_their_names(tmp_path: Path) -> None:
    cells = code("from importlib import import_module as load"), code("load('stripe')")
    assert len(found(tmp_path, *cells)) == 1


def test_lines_for_ipython_are_no_python(tmp_path: Path) -> None:
    lines = ["%load_ext sql", "!pip install stripe", "files = !ls", "charge?", "x = %sql SELECT 1"]
    assert found(tmp_path, code(*lines, "if x:", "    %time charge()")) == []


def test_lines_for_a_shell_are_looked_at_as_text(tmp_path: Path) -> None:
    cells = code("!curl https://api.stripe.com/v1"), code("%%bash", "curl api.stripe.com/v1/x")
    assert [place.split()[1] for place in found(tmp_path, *cells)] == ["SBR003", "SBR003"]


def test_timed_cells_are_python(tmp_path: Path) -> None:
    assert len(found(tmp_path, code("%%time", "import stripe"))) == 1


def test_a_cell_that_cannot_be_parsed_is_a_finding_and_hides_no_other(tmp_path: Path) -> None:
    rules = [place.split()[1] for place in found(tmp_path, code("def :"), code("import stripe"))]
    assert rules == ["SBR000", "SBR001"]


def test_keys_are_found_in_code_and_in_outputs(tmp_path: Path) -> None:
    output = {"output_type": "stream", "text": [f"key {KEY}\n"]}
    cell = {**code(f"key = '{KEY}'"), "outputs": [output]}
    assert [place.split()[1] for place in found(tmp_path, cell)] == ["SBR004", "SBR004"]


def test_prose_of_a_notebook_is_prose(tmp_path: Path) -> None:
    prose = {"cell_type": "markdown", "source": ["import stripe\n", "https://api.stripe.com/v1"]}
    assert found(tmp_path, prose) == []


def test_sources_may_be_one_text(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "source": "x = 1\nimport stripe"}
    assert [place.split()[1] for place in found(tmp_path, cell)] == ["SBR001"]


def test_notebooks_of_the_third_format_are_read(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "input": ["import stripe"]}
    assert len(found(tmp_path, worksheets=[{"cells": [cell]}])) == 1


def test_what_is_no_notebook_is_a_finding(tmp_path: Path) -> None:
    for number, text in enumerate(["", "[]", "5", '{"cells": 5}', '{"cells": [5]}', "[" * 10_000]):
        folder = project(tmp_path / str(number), {"a.ipynb": text})
        assert places(lint([folder]), folder) == ["a.ipynb:1:1 SBR000"]


def test_a_comment_allows_in_a_notebook(tmp_path: Path) -> None:
    allow = "# stripe-billing-router: allow SBR001"
    assert found(tmp_path, code(f"import stripe  {allow}")) == []
