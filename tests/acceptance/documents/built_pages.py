"""Reads the pages of the built site."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit


class Link(NamedTuple):
    """A reference of a page: the element, where it leads, and the page that has it."""

    tag: str
    url: str
    page: Path


@dataclass
class Page(HTMLParser):
    """The ids and links of one page, and the text of its paragraphs."""

    path: Path
    ids: set[str] = field(default_factory=set)
    links: list[Link] = field(default_factory=list)
    paragraphs: list[str] = field(default_factory=list)
    _in_paragraph: bool = False

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.ids |= {given[name] or "" for name in ("id", "name") if name in given}
        for name in ("href", "src", "action"):
            if given.get(name):
                self.links.append(Link(tag, given[name] or "", self.path))
        if tag == "p":
            self._in_paragraph = True
            self.paragraphs.append("")

    def handle_data(self, data: str) -> None:
        if self._in_paragraph:
            self.paragraphs[-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._in_paragraph = self._in_paragraph and tag != "p"


def is_outside(link: Link) -> bool:
    return bool(urlsplit(link.url).netloc)


def target(link: Link) -> tuple[Path, str]:
    """The file that a link of the site leads to, and the anchor in it, if any."""
    parts = urlsplit(link.url)
    path = link.page if not parts.path else (link.page.parent / unquote(parts.path)).resolve()
    return (path / "index.html" if path.is_dir() else path), unquote(parts.fragment)
