"""Suggestions in the warehouse: generations, what was decided about them, and the companies like a tenant's customers.

Belongs here: reading and comparing generations, accepting and rejecting through the database's own functions. Does not
belong here: publishing them (``suggestion_sets``), how they come about (``models_py.suggestions``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from warehouse.errors import WarehouseError


@dataclass(frozen=True)
class Suggestion:
    """A published suggestion, with the last decision about it, whichever generation that was made in."""

    suggestion_id: str
    rank: int
    title: str
    score: float
    evidence_count: int
    evidence_ids: list[int]
    reduced_evidence: bool
    card: dict[str, Any]
    targeting_pack: dict[str, Any]
    rule_payload: dict[str, Any]
    decision: str | None
    decided_by: str | None
    decided_at: dt.datetime | None


@dataclass(frozen=True)
class Generation:
    """One generation of a tenant's suggestions."""

    generation: int
    intake_version: int | None
    computed_at: dt.datetime
    best_seeds: int
    seeds_with_evidence: int
    reduced_evidence: bool
    negative_icp: dict[str, Any]
    advice: list[str]
    suggestions: list[Suggestion] = field(default_factory=list)


@dataclass(frozen=True)
class Comparison:
    """What changed from one generation to another.

    Attributes:
        added, removed: suggestions. changed: by id, the fields of its card that differ as (before, after).
        themes_added, themes_removed: of the negative ICP.
    """

    before: Generation
    after: Generation
    added: list[Suggestion]
    removed: list[Suggestion]
    kept: list[Suggestion]
    changed: dict[str, dict[str, tuple[Any, Any]]]
    themes_added: list[str]
    themes_removed: list[str]


def current(connection: psycopg.Connection, tenant_id: int, generation: int | None = None) -> Generation | None:
    """A generation of a tenant's suggestions (none given: the newest), best first; None where there is none."""
    with connection.cursor(row_factory=class_row(Generation)) as cursor:
        found = cursor.execute(
            "select generation, intake_version, computed_at, best_seeds, seeds_with_evidence, reduced_evidence,"
            " negative_icp, advice from learned.icp_suggestion_sets"
            " where tenant_id = %(tenant)s and (%(wanted)s::int is null or generation = %(wanted)s)"
            " order by generation desc limit 1",
            {"tenant": tenant_id, "wanted": generation},
        ).fetchone()
    if found is None:
        return None
    with connection.cursor(row_factory=class_row(Suggestion)) as cursor:
        rows = cursor.execute(
            "select made.suggestion_id, made.rank, made.title, made.score, made.evidence_count, made.evidence_ids,"
            " made.reduced_evidence, made.card, made.targeting_pack, made.rule_payload, decided.decision,"
            " decided.decided_by, decided.decided_at from learned.icp_suggestions as made"
            " left join learned.suggestion_decisions as decided using (tenant_id, suggestion_id)"
            " where made.tenant_id = %s and made.generation = %s order by made.rank",
            (tenant_id, found.generation),
        ).fetchall()
    found.suggestions.extend(rows)
    return found


def generations(connection: psycopg.Connection, tenant_id: int) -> list[int]:
    """Numbers of a tenant's generations, the newest first."""
    rows = connection.execute(
        "select generation from learned.icp_suggestion_sets where tenant_id = %s order by 1 desc", (tenant_id,)
    ).fetchall()
    return [row[0] for row in rows]


def compare(connection: psycopg.Connection, tenant_id: int, before: int | None, after: int | None) -> Comparison:
    """What changed between two generations; by default the newest and the one before it.

    Raises:
        WarehouseError: there are not two, or not these.
    """
    known = generations(connection, tenant_id)
    if len(known) < 2 and (before is None or after is None):
        raise WarehouseError(
            f"There {'is one generation' if known else 'are no generations'} of suggestions for this tenant; "
            "two are needed to compare. A new one is made when seeds, answers or evidence change."
        )
    later = after if after is not None else known[0]
    earlier = before if before is not None else next((number for number in known if number < later), 0)
    old, new = (current(connection, tenant_id, number) for number in (earlier, later))
    if old is None or new is None:
        missing = earlier if old is None else later
        raise WarehouseError(f"There is no generation {missing}; there are {_list(sorted(known))}.")
    old_by_id, new_by_id = ({made.suggestion_id: made for made in side.suggestions} for side in (old, new))
    kept = [made for made in new.suggestions if made.suggestion_id in old_by_id]
    themes = [[theme["theme"] for theme in side.negative_icp.get("themes", [])] for side in (old, new)]
    differences = {made.suggestion_id: _differences(old_by_id[made.suggestion_id].card, made.card) for made in kept}
    return Comparison(
        before=old,
        after=new,
        added=[made for made in new.suggestions if made.suggestion_id not in old_by_id],
        removed=[made for made in old.suggestions if made.suggestion_id not in new_by_id],
        kept=kept,
        changed={suggestion_id: found for suggestion_id, found in differences.items() if found},
        themes_added=[theme for theme in themes[1] if theme not in themes[0]],
        themes_removed=[theme for theme in themes[0] if theme not in themes[1]],
    )


def resolve(connection: psycopg.Connection, tenant_id: int, asked: Sequence[str]) -> list[str]:
    """Suggestion ids of what a person typed: ids (of any generation), or ranks in the newest generation.

    Raises:
        WarehouseError: one of them is neither.
    """
    newest = current(connection, tenant_id)
    by_rank = {str(made.rank): made.suggestion_id for made in newest.suggestions} if newest else {}
    known = {
        row[0]
        for row in connection.execute(
            "select distinct suggestion_id from learned.icp_suggestions where tenant_id = %s", (tenant_id,)
        )
    }
    found = []
    for item in asked:
        suggestion_id = by_rank.get(item.removeprefix("#"), item)
        if suggestion_id not in known:
            have = f"there are 1 to {len(by_rank)}" if by_rank else "there are none yet; make some with icp run"
            raise WarehouseError(f"There is no suggestion {item!r} for this tenant: {have}, or give an id.")
        found.append(suggestion_id)
    return list(dict.fromkeys(found))


def accept(
    connection: psycopg.Connection,
    *,
    tenant_id: int,
    suggestion_ids: Sequence[str],
    actor: str,
    overrides: Mapping[str, Any] | None = None,
) -> list[int]:
    """Adopt suggestions as rules, all or none; returns the ids of the rules.

    Args:
        overrides: laid over the payload of every rule: name, ssic_codes, exclude_ssic_codes, integrations, champions,
            exclusions, headcount_min, headcount_max, countries. An excluded code takes those below it along.

    Raises:
        WarehouseError: the login may not decide for the tenant, there is no such suggestion, an override is no field
            of a rule or no value for it, a rule's smallest company would be larger than its largest, or two
            suggestions would get the same name.
    """
    if overrides and "name" in overrides and len(suggestion_ids) > 1:
        raise WarehouseError("Rules need names of their own: give a name to one suggestion at a time.")
    with _sentences(), connection.transaction():
        rules = []
        for suggestion_id in suggestion_ids:
            row = connection.execute(
                "select learned.accept_suggestion(%s, %s, %s, %s)",
                (tenant_id, suggestion_id, actor, Jsonb(dict(overrides or {}))),
            ).fetchone()
            assert row is not None
            rules.append(int(row[0]))
    return rules


def reject(
    connection: psycopg.Connection,
    *,
    tenant_id: int,
    suggestion_ids: Sequence[str],
    actor: str,
    reason: str | None = None,
) -> None:
    """Say that suggestions are not wanted, which ends their rules; all or none.

    Raises:
        WarehouseError: the login may not decide for the tenant, or there is no such suggestion.
    """
    with _sentences(), connection.transaction():
        for suggestion_id in suggestion_ids:
            connection.execute(
                "select learned.reject_suggestion(%s, %s, %s, %s)", (tenant_id, suggestion_id, actor, reason)
            )


def evidence_of(connection: psycopg.Connection, tenant_id: int, evidence_ids: Sequence[int]) -> list[dict[str, Any]]:
    """The facts that a card cites, as the reader may see them: snippets are masked for viewers."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "select evidence_id, company, signal_key, value_key, source, source_name, url, snippet, confidence,"
            " observed_at, is_model_only from learned.evidence where tenant_id = %s and evidence_id = any(%s)"
            " order by signal_key, value_key, company, evidence_id",
            (tenant_id, list(evidence_ids)),
        ).fetchall()


def lookalikes_of(connection: psycopg.Connection, tenant_id: int, suggestion_id: str) -> list[dict[str, Any]]:
    """Companies like the customers of a suggestion, best first; snippets are masked for viewers."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "select rank, entity_id, company_id, name, registration_number, website_domain, score, why, snippet"
            " from learned.lookalike_companies where tenant_id = %s and suggestion_id = %s order by rank",
            (tenant_id, suggestion_id),
        ).fetchall()


@contextmanager
def _sentences() -> Iterator[None]:
    """The database's refusals as sentences."""
    try:
        yield
    except (
        psycopg.errors.InsufficientPrivilege,
        psycopg.errors.NoDataFound,
        psycopg.errors.InvalidParameterValue,
    ) as error:
        said = error.diag.message_primary or str(error)
        if isinstance(error, psycopg.errors.InsufficientPrivilege) and "icp_ops" not in said:
            said = f"Only icp_ops of this tenant may decide on suggestions ({said})."
        raise WarehouseError(said) from error


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    ignored = {"id", "evidence_ids", "signals"}
    names = [name for name in {**before, **after} if name not in ignored]
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(str(number) for number in numbers) or "none"
