"""Which system user runs the embedded servers, and where it may read and write. Starts no server."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from retailsync.platform.trouble import Trouble

# PostgreSQL refuses to run as root, so root lends the servers one of these.
LENT = ("postgres", "nobody")
OUTSIDE = Path("/var/lib/retailsync")


@dataclass(frozen=True)
class Account:
    """The user of the embedded servers; `uid` None means: the one we are."""

    uid: int | None = None
    gid: int | None = None

    def run(self, command: Sequence[str | Path], cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run to the end as this user, in a clean environment, output captured."""
        return subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            # A stray PGPORT, PGDATA or locale of the caller must not reach the servers.
            env={"PATH": os.defpath, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            start_new_session=True,  # Ctrl-C in our terminal is not for them
            text=True,
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
        )

    def can(self, *command: str | Path) -> bool:
        """Whether this user can run the command successfully."""
        try:
            return self.run(command, Path("/")).returncode == 0
        except OSError:
            return False

    def folder(self, path: Path) -> Path:
        """A private folder of this user; what already stands there keeps its content."""
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._own(path)
        return path

    def write(self, path: Path, text: str) -> Path:
        """A file only this user (and root) may read."""
        path.unlink(missing_ok=True)
        with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(text)
        self._own(path)
        return path

    def _own(self, path: Path) -> None:
        # Never through a link: its folder belongs to a user less trusted than root.
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def choose() -> Account:
    """Ourselves, or for root the first lendable user this machine has."""
    if os.geteuid() != 0:
        return Account()
    for name in LENT:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        account = Account(entry.pw_uid, entry.pw_gid)
        if account.can("/bin/sh", "-c", ":"):
            return account
    raise Trouble(
        "PostgreSQL does not run as root and there is no other user to lend it "
        f"({' or '.join(LENT)}): run as an ordinary user, or set DATABASE_URL and REDIS_URL."
    )


def home_for(account: Account, local: Path) -> Path:
    """Where the servers keep their files: under `.local`, or outside a tree their user cannot enter."""
    local.mkdir(parents=True, exist_ok=True)
    local.chmod(0o711)  # ours; secrets in it are 600 each
    if account.can("/bin/sh", "-c", 'cd "$0"', local.resolve()):
        return local.resolve() / "servers"
    return OUTSIDE / sha256(str(local.resolve()).encode()).hexdigest()[:12]


def readable(account: Account, program: Path, trees: Sequence[Path], home: Path) -> Path:
    """`program`, or its twin in a copy of `trees` under `home` when the account cannot run it in place.

    The trees keep their relative places: the binaries find their libraries by them.
    """
    if account.can(program, "--version"):
        return program
    base = Path(os.path.commonpath(trees)) if len(trees) > 1 else trees[0].parent
    copy = home / "programs" / _fingerprint(program)
    twin = copy / program.relative_to(base)
    if not account.can(twin, "--version"):
        _copy(trees, base, copy)
    if not account.can(twin, "--version"):
        raise Trouble(f"{program.name} does not run on this machine: {_reason(account, twin)}")
    return twin


def _copy(trees: Sequence[Path], base: Path, copy: Path) -> None:
    shutil.rmtree(copy, ignore_errors=True)
    for tree in trees:
        shutil.copytree(tree, copy / tree.relative_to(base), symlinks=True)
    for path in [copy.parent, copy, *copy.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)


def _fingerprint(program: Path) -> str:
    stat = program.stat()
    return sha256(f"{program}:{stat.st_size}:{stat.st_mtime_ns}".encode()).hexdigest()[:12]


def _reason(account: Account, program: Path) -> str:
    try:
        return account.run([program, "--version"], Path("/")).stderr.strip() or "no reason given"
    except OSError as error:
        return str(error)
