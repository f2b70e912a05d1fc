"""The process that keeps the embedded Postgres while anybody uses it, and stops it after the last one.

Every process that uses the server holds a shared ``flock`` on ``clients.lock``; the kernel drops it however
that process ends, SIGKILL included. The watcher starts the server (or adopts one whose watcher was killed),
tries for the exclusive lock from time to time, and stops the server once it gets it.

Runs as a script of its own (``python watcher.py …``) with the standard library only, so that it is small
and starts at once. Does not belong here: creating the data directory, connecting (``warehouse.server``).
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

START_SECONDS = 60  # crash recovery of a busy server takes a while
STOP_SECONDS = 60
POLL_SECONDS = 0.25
LOG_BYTES = 10_000_000
# What a server killed by SIGKILL leaves for as long as its backends take to notice.
PASSING_FAULTS = ("shared memory block", "is another postmaster", "is another postgres")


class Privileges(NamedTuple):
    """How to run a Postgres program, which refuses to run as root: a command prefix and Popen arguments."""

    prefix: tuple[str, ...] = ()
    popen: tuple[tuple[str, Any], ...] = ()
    user: str | None = None  # set where another user must own the data directory


def privileges() -> Privileges:
    """As root: a user namespace in which root's files are nobody's, else the user ``nobody`` itself.

    The namespace needs no chown and no open parent directories. Anybody else runs the programs as they are.
    """
    if os.geteuid() != 0:
        return Privileges()
    prefix = ("unshare", "-U", "--map-user=65534", "--map-group=65534")
    if shutil.which("unshare") and subprocess.run([*prefix, "true"], capture_output=True).returncode == 0:
        return Privileges(prefix=prefix)
    nobody = pwd.getpwnam("nobody")
    arguments: tuple[tuple[str, Any], ...] = (("user", nobody.pw_uid), ("group", nobody.pw_gid), ("extra_groups", []))
    return Privileges(popen=arguments, user="nobody")


class Postmaster(NamedTuple):
    """What ``postmaster.pid`` says of a server that is alive."""

    pid: int
    port: int
    socket_dir: str
    ready: bool


def postmaster(data: Path) -> Postmaster | None:
    """The live server of a data directory, or None. A left-over pid file of a dead one counts as none."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        pid = abs(int(lines[0]))
    except (FileNotFoundError, IndexError, ValueError):
        return None
    if not _works_in(pid, data):
        return None
    if len(lines) < 8:
        return Postmaster(pid, 0, "", False)
    return Postmaster(pid, int(lines[3]), lines[4], lines[7].strip() == "ready")


def _works_in(pid: int, data: Path) -> bool:
    """Whether the process lives and is a server of this directory, not a stranger with a recycled pid."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # alive, and not ours
    process = Path(f"/proc/{pid}")
    try:
        if (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return False  # dead; only its parent has not looked yet
        return (process / "cwd").readlink() == data.resolve()
    except OSError:
        return True  # no /proc, or not ours to read: believe the pid file


def remove_stale_locks(data: Path, sockets: Path) -> None:
    """Delete the lock files of a dead server, only when no process at all works in its directory.

    Postgres itself refuses to start when the pid in them was recycled by an unrelated process, or belongs to
    a killed server that its parent has not reaped yet.
    """
    if postmaster(data) is None and Path("/proc").is_dir() and not _anyone_in(data):
        for lock in (data / "postmaster.pid", *sockets.glob(".s.PGSQL.*.lock")):
            lock.unlink(missing_ok=True)


def _anyone_in(data: Path) -> bool:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if (entry / "cwd").readlink() == data.resolve():
                    return True
    return False


def start(bindir: Path, data: Path, sockets: Path, log: Path) -> None:
    """Start the server and wait until it is ready; exits the process with the log's words if it is not."""
    allowed = privileges()
    deadline = time.monotonic() + START_SECONDS
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    while True:
        remove_stale_locks(data, sockets)
        with log.open("ab") as out:
            begins = out.tell()
            server = subprocess.Popen(
                [*allowed.prefix, str(bindir / "postgres"), "-D", str(data)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                **dict(allowed.popen),
            )
        while server.poll() is None:
            alive = postmaster(data)
            if alive is not None and alive.ready:
                return
            if time.monotonic() > deadline:
                server.send_signal(signal.SIGINT)
                sys.exit(f"Postgres was not ready after {START_SECONDS} s; see {log}")
            time.sleep(0.02)
        with log.open("rb") as written:
            written.seek(begins)
            words = written.read().decode(errors="replace")
        if time.monotonic() > deadline or not any(fault in words for fault in PASSING_FAULTS):
            sys.exit(f"Postgres did not start; {log} says: {words.strip()[-2000:]}")
        time.sleep(0.5)


def stop(data: Path) -> None:
    """Stop the server of a data directory: fast, and at once if that takes more than a minute."""
    for attempt in (signal.SIGINT, signal.SIGQUIT):
        server = postmaster(data)
        if server is None:
            return
        os.kill(server.pid, attempt)
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(server.pid, os.WNOHANG)
            if not _works_in(server.pid, data):
                return
            time.sleep(0.02)


def watch(data: Path, clients: Path, linger: float) -> None:
    """Return once the server is gone: stopped after ``linger`` idle seconds, or dead of itself."""
    with clients.open("a") as lock:
        idle_since: float | None = None
        while postmaster(data) is not None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                idle_since = None
            else:
                idle_since = idle_since or time.monotonic()
                if time.monotonic() - idle_since >= linger:
                    stop(data)  # with the lock held, so that a newcomer waits and starts a fresh one
                    return
                fcntl.flock(lock, fcntl.LOCK_UN)
            time.sleep(POLL_SECONDS)


def main() -> None:
    """Start or adopt the server, then watch it. A second watcher of the same directory leaves at once."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bindir", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sockets", type=Path, required=True)
    parser.add_argument("--linger", type=float, required=True)
    options = parser.parse_args()
    base = options.data.parent
    with (base / "watcher.lock").open("a") as only_one:
        try:
            fcntl.flock(only_one, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        if postmaster(options.data) is None:
            start(options.bindir, options.data, options.sockets, base / "postgres.log")
        watch(options.data, base / "clients.lock", options.linger)


if __name__ == "__main__":
    main()
