"""Programs the servers' user cannot reach are copied to where it can."""

import os
from pathlib import Path

import pytest

from retailsync.platform import account
from retailsync.platform.trouble import Trouble

SCRIPT = '#!/bin/sh\ncat "$(dirname "$0")/../lib/version"\n'

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root lends its servers another user")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    tree = tmp_path / "closed" / "tree"
    (tree / "bin").mkdir(parents=True)
    (tree / "lib").mkdir()
    (tree / "lib" / "version").write_text("18\n")
    program = tree / "bin" / "program"
    program.write_text(SCRIPT)
    program.chmod(0o755)
    return program


@needs_root
def test_a_closed_program_is_copied_with_its_neighbours(program: Path, open_folder: Path) -> None:
    program.parents[2].chmod(0o700)
    lent = account.choose()
    twin = account.readable(lent, program, [program.parents[1]], lent.folder(open_folder / "home"))
    assert twin != program
    assert lent.run([twin, "--version"], Path("/")).stdout == "18\n"
    assert program.parents[2].stat().st_mode & 0o777 == 0o700


def test_a_reachable_program_is_used_in_place(program: Path, tmp_path: Path) -> None:
    assert account.readable(account.Account(), program, [program.parents[1]], tmp_path) == program


def test_a_program_that_cannot_run_here_is_one_sentence(program: Path, tmp_path: Path) -> None:
    program.write_text("#!/no/such/interpreter\n")
    with pytest.raises(Trouble, match=r"^program does not run on this machine: "):
        account.readable(account.Account(), program, [program.parents[1]], tmp_path)
