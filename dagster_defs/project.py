"""The dbt project as Dagster sees it: where it lies, its manifest, and the names of its assets.

Does not belong here: the assets themselves (``transform``).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtCliResource, DbtProject
from packaging.version import Version

from dagster_defs.resources import scoped
from warehouse.connection import Warehouse
from warehouse.settings import PROJECT_ROOT, Settings

DBT_FOLDER = PROJECT_ROOT / "dbt_project"

# Set once for every dbt that this process or its children run. Beside the data, because the checkout may be read-only;
# neither two warehouses of one checkout nor two checkouts of one warehouse may write over each other's manifest.
_BESIDE_DATA = Settings.from_environment().home / "dbt"
_CHECKOUT = hashlib.sha256(os.fsencode(PROJECT_ROOT)).hexdigest()[:8]
TARGET = Path(os.environ.setdefault("DBT_TARGET_PATH", str(_BESIDE_DATA / _CHECKOUT / "target")))
os.environ.setdefault("DBT_LOG_PATH", str(_BESIDE_DATA / "logs"))
os.environ.setdefault("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")

_NOTED = TARGET / "manifest.fingerprint"

project = DbtProject(project_dir=PROJECT_ROOT, profiles_dir=DBT_FOLDER, target_path=TARGET)


class ManifestError(Exception):
    """dbt could not parse the project; carries dbt's own words."""


def ensure_manifest() -> Path:
    """The manifest of the project as it stands, parsed anew only when it or the connection changed.

    dagster-dbt prepares it in development only; a first start from the command line would find none.
    """
    environment = Warehouse().dbt_environment()
    TARGET.mkdir(parents=True, exist_ok=True)
    with (TARGET / "manifest.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two commands that start together one parses, and the other finds it done
        if not _is_parsed(fingerprint := _fingerprint(environment)):
            _parse(environment)
            _NOTED.write_text(fingerprint)
    return project.manifest_path


def _is_parsed(fingerprint: str) -> bool:
    return project.manifest_path.exists() and _NOTED.exists() and _NOTED.read_text() == fingerprint


def _parse(environment: Mapping[str, str]) -> None:
    from dbt.cli.main import dbtRunner  # one and a half seconds, paid only here

    arguments = ["parse", "--quiet", "--project-dir", str(PROJECT_ROOT), "--profiles-dir", str(DBT_FOLDER)]
    with scoped(environment):
        parsed = dbtRunner().invoke(arguments)
    if not parsed.success:
        raise ManifestError(f"dbt cannot parse the project: {parsed.exception}")


def _fingerprint(environment: Mapping[str, str]) -> str:
    """Of all files, and of the connection: dbt parses anew when the profile is another."""
    digest = hashlib.sha256(repr(sorted(environment.items())).encode())
    for path in _project_files():
        digest.update(str(path.relative_to(PROJECT_ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _project_files() -> Iterator[Path]:
    yield PROJECT_ROOT / "dbt_project.yml"
    yield DBT_FOLDER / "profiles.yml"
    for folder in ("models", "macros", "seeds", "tests"):
        yield from sorted(path for path in (DBT_FOLDER / folder).rglob("*") if path.is_file())


class Translator(DagsterDbtTranslator):
    """Asset keys are ``[schema, table]``, for models, seeds and sources alike.

    So a dbt source is the very asset that Python loads or publishes, and the graph has one edge for it.
    """

    def __init__(self) -> None:
        super().__init__(DagsterDbtTranslatorSettings(enable_source_tests_as_checks=True))

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """Schema and relation name as they are in the database."""
        name = dbt_resource_props.get("identifier") or dbt_resource_props.get("alias")
        return dg.AssetKey([dbt_resource_props["schema"], str(name)])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """The dbt group; a seed belongs to the subject that reads it."""
        if dbt_resource_props["resource_type"] == "seed":
            return "conversion"
        return super().get_group_name(dbt_resource_props)


class EndingWithRun(DbtCliResource):
    """dbt started through ``dbt_process``, so that a killed run leaves none behind."""

    @cached_property
    def _cli_version(self) -> Version:
        """Of the library: asking the executable is a start of dbt more for every run."""
        return Version(metadata.version("dbt-core"))


def dbt_resource() -> DbtCliResource:
    """dbt as a resource; connection settings come from the environment that the warehouse resource sets."""
    script = Path(__file__).with_name("dbt_process.py")
    return EndingWithRun(
        project_dir=project,  # type: ignore[arg-type]  # the parent's own constructor takes it
        profiles_dir=str(DBT_FOLDER),
        dbt_executable=sys.executable,  # of this environment, whether or not it is activated
        global_config_flags=["-P", str(script)],  # -P: the script's folder is no place to import from
    )
