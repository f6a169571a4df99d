"""From bytes to a tree, whatever the bytes are."""

from __future__ import annotations

import ast
import io
import sys
import tokenize
import warnings
from typing import Final

CANNOT: Final = (SyntaxError, ValueError, RecursionError, MemoryError, LookupError)
"""What parsing raises: also for NUL bytes, unknown encodings and nesting without end."""

_VERSION: Final = f"Python {sys.version_info.major}.{sys.version_info.minor}"


def parsed(source: str) -> ast.Module:
    """Return the tree of a program. Its doubtful escapes are none of our business."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)


def source_of(data: bytes) -> str:
    """Return a program's text in the encoding that it declares, as Python itself reads it."""
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return data[:].decode(encoding)


def why_not(error: BaseException) -> tuple[str, int]:
    """Return why a program cannot be parsed, in words that show none of it, and the line."""
    if isinstance(error, RecursionError | MemoryError):
        return f"this is too large or too deeply nested for {_VERSION}", 1
    if isinstance(error, SyntaxError) and error.lineno:
        return f"{_VERSION} cannot parse this", error.lineno
    return f"{_VERSION} cannot decode this", 1
