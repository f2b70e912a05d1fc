"""`icp load intake`: what a tenant says of itself and its customers."""

from __future__ import annotations

import datetime as dt
import getpass
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from rich.markup import escape

from icp.console import JSON_OPTION, out, print_json, table
from ingest.errors import IngestError
from ingest.intake import IntakeError, IntakeReport, load_intake
from ingest.intake.answers import Advanced, Answers, Customer, Deal, GeoLanguageZone
from warehouse.connection import Warehouse


def intake(
    path: Annotated[Path | None, typer.Argument(help="A JSON file, or a folder of them named after tenants.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Whose it is; default: the file's name.")] = None,
    merge: Annotated[bool, typer.Option("--merge", help="Add to the latest version instead of replacing it.")] = False,
    by: Annotated[str | None, typer.Option("--by", help="Who answered; default: your login.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="List the questions an intake can answer.")] = False,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Load a tenant's intake: its website, best and lost customers, and any further answers.

    Shows what was understood. The same answers again change nothing; other answers are a new version. An intake that
    cannot be used is refused with everything that is wrong with it, and nothing of it is stored.
    """
    if explain:
        _explain()
        return
    if path is None:
        raise typer.BadParameter("name a JSON file or a folder, or use --explain to see what one can say")
    warehouse = Warehouse().open()
    reports = []
    problems: list[str] = []
    files = _files(path, tenant)
    with warehouse.pipeline_lock("load intake"):
        for file in files:
            try:
                report = load_intake(
                    warehouse,
                    file,
                    tenant=tenant or file.stem,
                    submitted_by=by or getpass.getuser(),
                    now=dt.datetime.now(dt.UTC),
                    merge=merge,
                )
                reports.append(report)
            except IntakeError as error:  # of a folder, the others are loaded all the same
                problems += [f"{file.name}: {problem}" if len(files) > 1 else problem for problem in error.problems]
    if as_json:
        print_json(reports)
    else:
        for report in reports:
            _show(report, whole=len(files) == 1)
        if any(report.status == "stored" for report in reports):
            out.print("Next: icp run")
    if problems:
        raise IntakeError(problems)


def _files(path: Path, tenant: str | None) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.glob("*.json") if tenant is None or file.stem == tenant)
    if not found:
        raise IngestError(f"There is no {f'{tenant}.json' if tenant else 'JSON file'} in {path}.")
    return found


def _show(report: IntakeReport, *, whole: bool) -> None:
    said = f"version {report.version}" if report.status == "stored" else f"as in version {report.version}, unchanged"
    out.print(
        f"[bold]{report.tenant}[/]: {said}; {report.best} best and {report.lost} lost customers,"
        f" {report.evidence_items} facts from answers"
    )
    if whole:
        out.print(
            table(
                None,
                ("answer", "understood as"),
                list(_understood(report.answers)),
            )
        )
    for note in report.notes:
        out.print(f"  [yellow]note[/] {escape(note)}")


def _understood(answers: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in answers.items():
        path = f"{prefix}{name}"
        if value in (None, [], {}, ""):
            continue
        if isinstance(value, dict) and "amount" in value:
            yield path, f"{value['currency']} {value['amount']:,.0f}"
        elif isinstance(value, dict) and "bands" in value:
            yield path, ", ".join(value["bands"])
        elif isinstance(value, dict):
            yield from _understood(value, f"{path}.")
        elif isinstance(value, list):
            yield path, "; ".join(_one(item) for item in value)
        else:
            yield path, str(value)


def _one(item: Any) -> str:
    if not isinstance(item, dict):
        return str(item)
    if "bands" in item:
        return ", ".join(item["bands"])
    reason = f" ({item['reason']})" if item.get("reason") else ""
    return f"{item.get('name')} – {item.get('domain') or 'no website'}{reason}"


def _explain() -> None:
    parts: list[tuple[str, type[BaseModel]]] = [
        ("fast start", Answers),
        ("best_customers[], lost_or_churned[]", Customer),
        ("geo_language_tz", GeoLanguageZone),
        ("deal", Deal),
    ]
    for name, field in Advanced.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            parts.append((f"advanced.{name} (or {field.description})", field.annotation))
    for title, model in parts:
        rows = [
            (_key(name, field), field.description or "")
            for name, field in model.model_fields.items()
            if name != "other"
        ]
        out.print(table(title, ("key", "meaning"), rows))
        out.print()
    out.print("Or in the shape {answers: {…}, seeds: [{seed_name, domain}]}. Other keys are kept and not used.")


def _key(name: str, field: FieldInfo) -> str:
    choices = getattr(field.validation_alias, "choices", None)
    return str(choices[0]) if choices else name
