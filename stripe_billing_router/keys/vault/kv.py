"""Reading one secret from a KV mount whose version nobody has told us.

Vault says the version itself to every token that may use the mount, under the path that its own
command line asks first. Old servers and odd policies do not; then both layouts are tried, and
what a version 2 mount answers to the other layout tells them apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

from .answers import Denied, NotFound, Refused, VaultTrouble, ask, part
from .settings import VaultSettings


class KvReader:
    """Reads the secret and remembers the mount's version. Not safe under threads by itself."""

    def __init__(self, settings: VaultSettings) -> None:
        self._mount = settings.mount.strip("/")
        self._path = settings.path.strip("/")
        self._version: int | None = None

    def read(self, client: Any) -> Mapping[str, Any] | None:
        """Return the secret's fields, None if Vault says there is none; Denied, VaultTrouble."""
        if self._version is not None:
            try:
                return self._fields(client, self._version)
            except NotFound:
                self._version = None  # deleted, or the mount was upgraded: look anew
            except Denied:
                self._version = None
                raise
        version = self._announced(client)
        return self._tried(client) if version is None else self._known(client, version)

    def _announced(self, client: Any) -> int | None:
        url = quote(f"/v1/sys/internal/ui/mounts/{self._mount}/{self._path}")
        try:
            mount = part(ask(partial(client.adapter.get, url)), "data")
        except Refused:
            return None
        options = mount.get("options")
        version = options.get("version") if isinstance(options, Mapping) else None
        return {"1": 1, "2": 2}.get(str(version))

    def _known(self, client: Any, version: int) -> Mapping[str, Any] | None:
        try:
            return self._fields(client, version)
        except NotFound:
            return None

    def _tried(self, client: Any) -> Mapping[str, Any] | None:
        try:
            return self._fields(client, 2)
        except NotFound as missing:
            return None if missing.versioned else self._tried_as_1(client, version_2=missing)
        except Denied as denied:
            return self._tried_as_1(client, version_2=denied)

    def _tried_as_1(self, client: Any, version_2: Refused) -> Mapping[str, Any] | None:
        try:
            return self._fields(client, 1)
        except NotFound as missing:
            if missing.versioned and isinstance(version_2, Denied):
                raise version_2 from None
        except Denied:
            if isinstance(version_2, Denied):
                raise
        return None

    def _fields(self, client: Any, version: int) -> Mapping[str, Any]:
        kv = client.secrets.kv
        if version == 1:
            read = partial(kv.v1.read_secret, self._path, mount_point=self._mount)
            fields = part(ask(read), "data")
        else:
            fields = _inner(part(ask(self._versioned(kv)), "data"))
        self._version = version
        return fields

    def _versioned(self, kv: Any) -> partial[Any]:
        read = kv.v2.read_secret_version
        return partial(read, self._path, mount_point=self._mount, raise_on_deleted_version=True)


def _inner(data: Mapping[str, Any]) -> Mapping[str, Any]:
    if "metadata" not in data:  # a version 1 mount with a secret that is called data/…
        raise NotFound("no versioned secret")
    if not isinstance(data.get("data"), Mapping):
        raise VaultTrouble("the answer has no fields")
    return part(data, "data")
