"""Where an SQLite ledger may lie."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import make_url

from stripe_billing_router.errors import ConfigurationError
from stripe_billing_router.store.dialects import sqlite

MOUNTS = """\
/dev/vda / ext4 rw 0 0
server:/export /mnt/shared nfs4 rw 0 0
//server/share /mnt/shared/inner cifs rw 0 0
tmpfs /mnt/shared/inner/fast tmpfs rw 0 0
broken
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    path = tmp_path / "mounts"
    path.write_text(MOUNTS)
    return path


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/ledger.db", "ext4"),
        ("/mnt/shared/ledger.db", "nfs4"),
        ("/mnt/shared/inner/a/b.db", "cifs"),
        ("/mnt/shared/inner/fast/b.db", "tmpfs"),
    ],
)
def test_the_innermost_mount_decides(mounts: Path, path: str, kind: str) -> None:
    assert sqlite._file_system(Path(path), mounts) == kind


def test_a_system_that_does_not_tell_is_trusted(tmp_path: Path) -> None:
    assert sqlite._file_system(Path("/x"), tmp_path / "none") is None


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "fuse.sshfs"])
def test_a_network_file_system_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(sqlite, "_file_system", lambda path: kind)
    with pytest.raises(ConfigurationError, match="local disk"):
        sqlite.SQLite().engine(make_url(f"sqlite:///{tmp_path}/ledger.db"), 30.0)
