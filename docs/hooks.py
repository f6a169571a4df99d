"""What the documentation site needs beyond its pages.

Pages link to files of the repository as they lie beside them (`../SECURITY.md`), so that the links
work wherever the repository is read. Here those files join the site. A folder in the navigation
(`decisions/`) stands for all of its pages.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).parents[1]
JOINING = ("SECURITY.md", "CHANGELOG.md", "LICENSE", "deploy/*", "benchmarks/*.py")


def on_config(config: MkDocsConfig) -> None:
    """Put the pages of a folder where the navigation names it."""
    config.nav = _expanded(config.nav, Path(config.docs_dir))


def on_files(files: Files, *, config: MkDocsConfig) -> None:
    """Let the repository's own files join, under the names that links to them have."""
    for pattern in JOINING:
        for path in sorted(ROOT.glob(pattern)):
            files.append(_joining(path, config))


def _joining(path: Path, config: MkDocsConfig) -> File:
    name = path.relative_to(ROOT).as_posix()
    file = File.generated(
        config, f"../{name}", abs_src_path=str(path), inclusion=InclusionLevel.INCLUDED
    )
    # In a folder of its own: SECURITY.html beside security.html would be one file on some systems.
    file.dest_uri = f"repository/{name.removesuffix('.md')}.html" if path.suffix == ".md" else name
    return file


def _expanded(nav: Any, docs: Path) -> Any:
    if isinstance(nav, list):
        return [_expanded(item, docs) for item in nav]
    if isinstance(nav, dict):
        return {title: _expanded(item, docs) for title, item in nav.items()}
    return _pages(docs, nav) if str(nav).endswith("/") else nav


def _pages(docs: Path, folder: str) -> list[str]:
    """Return a folder's pages; README comes first, as capitals do."""
    return [path.relative_to(docs).as_posix() for path in sorted((docs / folder).glob("*.md"))]
