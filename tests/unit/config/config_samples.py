"""Files that the configuration tests share."""

from __future__ import annotations

import pickle
import traceback
from pathlib import Path

import pytest

from stripe_billing_router.bootstrap import routing_file
from stripe_billing_router.errors import ConfigurationError

PLANTED = "sk_live_4eC39HqLyjWDarjtT1zdp7dc"

ROUTE = "{product_id: prod_1, price_id: price_1, customer_id: cus_1}"


def written(folder: Path, text: str | bytes, name: str = "routes.yaml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refused(path: Path) -> ConfigurationError:
    """Load a faulty file and return its error, after a look at what every error has to keep."""
    with pytest.raises(ConfigurationError) as caught:
        routing_file(path)
    assert caught.value.faults
    assert str(caught.value).endswith(".")
    assert PLANTED not in everything_shown(caught.value)
    return caught.value


def everything_shown(error: ConfigurationError) -> str:
    """What a log, a crash reporter or another process could get to see of an error."""
    return "\n".join(
        [
            str(error),
            repr(error),
            repr(error.faults),
            "".join(traceback.format_exception(error)),
            repr(error.__context__),
            repr(error.__cause__),
            pickle.dumps(error).decode("latin-1"),
        ]
    )


def messages(error: ConfigurationError) -> list[str]:
    """The faults as lines, `path: message`."""
    return [f"{path}: {message}" if path else message for path, message in error.faults]
