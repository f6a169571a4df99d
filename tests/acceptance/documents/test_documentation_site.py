"""The documentation site: builds strictly without a network, and every link leads somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import dedent
from urllib.parse import urlsplit

import pytest
import yaml

import stripe_billing_router
from stripe_billing_router import errors
from tests.acceptance.documents.built_pages import Link, Page, is_outside, target
from tests.acceptance.documents.pages import ROOT

HOSTS = {
    "docs.stripe.com",
    "github.com",
    "keepachangelog.com",
    "laravel.com",
    "no-color.org",
    "opentelemetry.io",
    "semver.org",
    "status.stripe.com",
}
NOWHERE = "http://127.0.0.1:9"

Site = Mapping[Path, Page]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), NOWHERE)
    built = subprocess.run(
        [*command, "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, **proxies, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (built.returncode, "WARNING" in built.stderr) == (0, False), built.stderr
    return {path: Page(path) for path in sorted(folder.rglob("*.html"))}


def links(site: Site) -> Iterator[Link]:
    for page in site.values():
        yield from page.links


def test_every_link_within_the_site_leads_to_a_file_and_an_anchor(site: Site) -> None:
    broken = []
    for link in links(site):
        # The page for what is not found is served from anywhere, so its links begin at the root.
        if is_outside(link) or link.url.startswith(("mailto:", "data:")) or _is_404(link):
            continue
        path, anchor = target(link)
        if not path.is_file() or (anchor and path in site and anchor not in site[path].ids):
            broken.append(f"{link.page.name}: {link.url}")
    assert broken == []


def _is_404(link: Link) -> bool:
    return link.page.name == "404.html"


def test_pages_link_only_to_hosts_that_are_listed(site: Site) -> None:
    outside = {link for link in links(site) if is_outside(link)}
    assert {urlsplit(link.url).netloc for link in outside if link.tag == "a"} <= HOSTS


def test_reading_needs_no_network(site: Site) -> None:
    assert [link for link in links(site) if is_outside(link) and link.tag != "a"] == []
    (folder,) = {path.parent for path in site if path.name == "404.html"}
    for style in folder.rglob("*.css"):
        assert "url(http" not in style.read_text(), style


def test_no_list_or_table_is_left_as_text(site: Site) -> None:
    marks = re.compile(r"^(- |\d\. |\||```)", re.MULTILINE)
    told = [(page.path.name, text) for page in site.values() for text in page.paragraphs]
    assert [(name, text) for name, text in told if marks.search(text)] == []


def test_links_of_the_readme_lead_to_files() -> None:
    found = re.findall(r"\]\(([^):]+)\)", (ROOT / "README.md").read_text())
    assert found
    assert [link for link in found if not (ROOT / link.partition("#")[0]).is_file()] == []


def test_every_page_is_in_the_navigation() -> None:
    listed = re.findall(r": (\S+\.md|\S+/)$|- (\S+\.md)$", _navigation(), re.MULTILINE)
    named = {first or second for first, second in listed}
    docs = ROOT / "docs"
    pages = {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")}
    folders = tuple(name for name in named if name.endswith("/"))
    assert {page for page in pages - named if not page.startswith(folders)} == set()


def _navigation() -> str:
    return yaml.safe_dump(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])


def test_every_public_name_is_in_the_reference(site: Site) -> None:
    ids = {
        name for path, page in site.items() if path.parent.name == "reference" for name in page.ids
    }
    public = {f"stripe_billing_router.{name}" for name in stripe_billing_router.__all__}
    assert public - ids == set()


def test_the_tree_of_errors_is_the_one_in_the_code() -> None:
    assert errors.__doc__
    tree = dedent(errors.__doc__.partition("::\n\n")[2].partition("\n\nEach")[0])
    assert f"```text\n{tree}\n```" in (ROOT / "docs/reference/errors.md").read_text()


def test_every_setting_is_explained() -> None:
    source = "".join(
        path.read_text()
        for room in ("config", "keys", "alerts", "cli")
        for path in (ROOT / "stripe_billing_router" / room).rglob("*.py")
    )
    named = set(re.findall(r'"((?:STRIPE|VAULT)_[A-Z_]+)"', source))
    told = (ROOT / "docs/operations/going-live.md").read_text().partition("## Settings")[2]
    ours = {"STRIPE_MASTER_ACCOUNT_ID"}
    assert {name for name in named - ours if f"`{name}`" not in told} == set()
