"""Read a YAML or JSON file into plain data: text, None, mappings and lists."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, Final, NamedTuple

from ..errors import ConfigurationError
from ..models import Fault
from .faults import Unreadable, faulty, plain_path
from .json_reader import parse_json
from .yaml_reader import parse_yaml

_MOST_BYTES: Final = 256 * 1024 * 1024
_NO_FILE: Final = "is not a file; set {} to the right one."


class Document(NamedTuple):
    """What a file holds, and the faults that do not keep it from being read, such as duplicates."""

    data: Any
    faults: list[Fault]


def read_document(path: Path, setting: str = "STRIPE_ROUTING_CONFIG") -> Document:
    """Return the contents of a `.json` file, or of any other file as YAML.

    Scalars of YAML and numbers of JSON stay text. ConfigurationError for whatever cannot be read;
    it names `setting`, the variable that says where the file is.
    """
    what = plain_path(path)
    data, why = _bytes_of(path)
    if why:
        why = why.format(setting)
        raise ConfigurationError(f"{what} {why}", faults=(Fault("", why),))
    parse = parse_json if path.suffix.lower() == ".json" else parse_yaml
    try:
        return Document(*parse(_text(data)))
    except Unreadable as error:
        fault = error.fault
    # Raised here and not above, so that the parser's own error, which may quote the file, is gone.
    raise faulty(what, [fault], "Correct it and start again.")


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = f"at byte {error.start}"
    raise Unreadable(f"is not UTF-8 text ({place}); save it as UTF-8")


def _bytes_of(path: Path) -> tuple[bytes, str]:
    """Return `(contents, "")` or `(b"", what is wrong)`."""
    try:
        return _regular_file(path)
    except IsADirectoryError:
        why = _NO_FILE
    except FileNotFoundError:
        why = "does not exist; run `stripe-billing-router init`, or set {}."
    except ValueError:
        why = "is not a possible path; set {} to the right one."
    except OSError as error:
        why = f"cannot be read ({error.strerror}); make it readable for this process."
    return b"", why


def _without_waiting(path: str, flags: int) -> int:
    """Open without waiting: a named pipe that nobody writes to would hold up the start."""
    return os.open(path, flags | os.O_NONBLOCK)


def _regular_file(path: Path) -> tuple[bytes, str]:
    with open(path, "rb", opener=_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return b"", _NO_FILE
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        return b"", "is larger than 256 MiB; is it the right one? Set {} to it."
    return data, ""
