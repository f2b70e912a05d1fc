"""`icp` in a process of its own that starts at once: forked from one that has imported everything.

What is killed is the same as ever; only the seconds of importing are left out, in which a shot would hit nothing.
Does not belong here: whom to shoot, and when (``kills``).
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import icp.main

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload([__name__])


def import_dagster() -> None:
    """Let runs start at once too. Ten seconds once; for a session that has started no command yet."""
    _SERVER.set_forkserver_preload([__name__, "dagster_defs.definitions"])


def start(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> ForkServerProcess:
    """Start `icp` as the leader of a process group; what it prints goes to the log."""
    process = _SERVER.Process(target=_run, args=(list(arguments), dict(environment), str(log)))
    process.start()
    return process


def _run(arguments: list[str], environment: dict[str, str], log: str) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    with Path(log).open("wb") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    sys.argv = ["icp", *arguments]
    try:
        icp.main.main()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
