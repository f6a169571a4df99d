"""The report, read in a browser as a person reads it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import SERVICES_REQUIRED
from tests.integration.watchdog_run.browser import Page, chromium, missing
from tests.integration.watchdog_run.conftest import Project, Watch


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    if absent := missing():
        why = f"{' and '.join(absent)} is not installed"
        if SERVICES_REQUIRED:
            pytest.fail(why)
        pytest.skip(why)
    with chromium(tmp_path_factory.mktemp("browser")) as found:
        yield found


def test_a_person_can_read_what_is_wrong(project: Project, watch: Watch, page: Page) -> None:
    payment = project.charge(19)
    charge = project.bypass(25_000)
    endpoint = project.add_endpoint("https://evil.example/<script>document.title='owned'</script>")
    assert watch("--report", "report.html").code == 1
    page.open(project.file("report.html").as_uri())

    assert page.texts("h1") == ["Ledger and Stripe"]
    assert page.texts("h2") == ["Findings", "Money by day"]
    (verdict,) = page.texts("p.verdict")
    assert verdict.startswith("2 findings, 2 new; the most severe is warning (3.5)")
    assert page.texts("table.counts tbody tr") == ["unauthorized_charge 1", "unknown_webhook 1"]
    first, second = page.texts("table.findings tbody tr")
    for told in ("3.5 warning", "new", "unauthorized_charge", charge, "250.00 usd"):
        assert told in first
    for told in ("2.0 warning", "unknown_webhook", endpoint):
        assert told in second
    assert payment not in first + second

    assert page.texts("h3") == ["USD"]
    assert page.texts("figcaption p") == ["Ledger 19.00 usd, Stripe 269.00 usd; 1 day differs."]
    legend = page.texts(".legend li")
    assert legend == ["Ledger (solid, left)", "Stripe (hatched, right)", "≠they differ"]
    labels = page.texts("svg.chart text")
    assert "≠" in labels
    assert any(label.startswith("20") for label in labels), "a day"
    assert "0.00" in labels

    assert page.texts("details table tbody tr") == [""], "folded away"
    page.click("summary")
    (row,) = page.texts("details table tbody tr")
    assert row.endswith("19.00 usd 269.00 usd 250.00 usd")
    assert page.run("return document.title").startswith("Ledger and Stripe: 2 findings")


def test_bars_are_as_high_as_their_amounts(project: Project, watch: Watch, page: Page) -> None:
    project.charge(100)
    project.bypass(10_000)
    watch("--report", "report.html")
    page.open(project.file("report.html").as_uri())
    height = "return document.querySelector('svg.chart rect.%s').getBBox().height"
    ledger, stripe = page.run(height % "ledger"), page.run(height % "stripe")
    assert stripe == pytest.approx(2 * ledger, rel=0.01)
    assert ledger > 20


def test_clean_books_are_said_to_be_clean(project: Project, watch: Watch, page: Page) -> None:
    project.charge(5)
    assert watch("--report", "report.html").code == 0
    page.open(project.file("report.html").as_uri())
    assert page.texts("p.verdict") == ["Nothing to report"]
    assert page.texts("table.findings") == []
    assert page.texts("figcaption p") == ["Ledger 5.00 usd, Stripe 5.00 usd; no day differs."]


def test_the_page_loads_nothing_and_fits_its_window(
    project: Project, watch: Watch, page: Page
) -> None:
    project.bypass()
    watch("--report", "report.html")
    page.open(project.file("report.html").as_uri())
    assert page.run("return performance.getEntriesByType('resource').length") == 0
    assert page.run("return document.documentElement.scrollWidth <= window.innerWidth")


def test_it_is_dark_for_people_who_like_it_dark(
    project: Project, watch: Watch, tmp_path: Path
) -> None:
    if missing() and not SERVICES_REQUIRED:
        pytest.skip("no browser")
    watch("--report", "report.html")
    with chromium(tmp_path / "dark", dark=True) as page:
        page.open(project.file("report.html").as_uri())
        ground = page.run("return getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(20, 23, 27)"
