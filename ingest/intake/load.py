"""An intake that a person brings: a file, or a payload at hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ingest.intake.errors import IntakeError
from ingest.intake.reading import LARGEST, read_json
from ingest.intake.store import IntakeReport, store_intake
from warehouse import tenants
from warehouse.connection import Warehouse


def load_intake(
    warehouse: Warehouse,
    intake: Path | Mapping[str, Any],
    *,
    tenant: str,
    submitted_by: str,
    now: dt.datetime,
    merge: bool = False,
) -> IntakeReport:
    """Store a JSON file or a payload as a tenant's next version.

    Args:
        tenant: slug or external id.
        merge: add to the latest version instead of replacing it.

    Raises:
        IntakeError: it cannot be read or used; nothing was stored.
        UnknownTenant: there is no such tenant.
    """
    with warehouse.connect(autocommit=True, application="icp load intake") as connection:
        found = tenants.get(connection, tenant)
        payload = _read(intake) if isinstance(intake, Path) else dict(intake)
        return store_intake(connection, tenant=found, payload=payload, submitted_by=submitted_by, now=now, merge=merge)


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(4 * LARGEST + 1)
    except OSError as error:
        raise IntakeError([f"{path} cannot be read: {error.strerror or error}."]) from error
    try:
        return read_json(content.decode("utf-8-sig") if len(content) <= 4 * LARGEST else content)
    except UnicodeDecodeError as error:
        raise IntakeError([f"{path} is not UTF-8 (byte {error.start:,}); save it as UTF-8."]) from error
    except IntakeError as error:
        raise IntakeError([f"{path.name}: {problem}" for problem in error.problems]) from error
