"""`icp matches`: which registry entity each seed is, and what a person says about it."""

from __future__ import annotations

import getpass
from typing import Annotated, Any

import typer
from rich.markup import escape

from icp.console import JSON_OPTION, chance, out, print_json, table
from ingest.domains import registrable_domain
from warehouse import matches, tenants
from warehouse.connection import Warehouse
from warehouse.matches import MatchError, MatchView

app = typer.Typer(no_args_is_help=True, help="Show which registry entity each seed is; confirm, pick another, correct.")

TENANT = Annotated[str, typer.Argument(help="Slug or external id.")]
SEED = Annotated[int, typer.Argument(help="Number of the seed, as `icp matches list` shows it.")]
ACTOR = Annotated[str | None, typer.Option("--by", help="Who decided; default: your login's name.")]
#: Signals shown with a seed, and what they are called.
_DETECTED = {
    "ssic": "industry",
    "headcount": "size",
    "location": "place",
    "integration": "stack",
    "buyer_title": "titles",
}
_SHOWN_VALUES = 4


@app.command("list")
def show(
    tenant: TENANT,
    review: Annotated[bool, typer.Option("--review", help="Only those that wait for a person.")] = False,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Show a tenant's seeds, the entity each is, how probable that is, and what was detected; the doubtful first."""
    with Warehouse().connect() as connection:
        found = matches.read_matches(connection, tenants.get(connection, tenant).tenant_id, only_review=review)
    if as_json:
        print_json(found)
        return
    if not found:
        out.print("Nothing waits for you." if review else f"{tenant} has no seeds yet. Load an intake: icp load intake")
        return
    columns = (">seed", "name", "kind", "domain", "path", "entity", "number", ">probable")
    out.print(
        table(
            None,
            columns,
            [
                (str(m.seed_id), m.seed_name, m.kind, m.domain, m.path or "not yet matched", m.entity_name)
                + (m.registration_number, chance(m.probability))
                for m in found
            ],
        )
    )
    for each in found:
        _describe(each)
    waiting = next((each for each in found if each.path == "review"), None)
    if waiting:
        out.print(f"Decide: icp matches confirm {tenant} {waiting.seed_id}, or pick {tenant} {waiting.seed_id} NUMBER")


def _describe(found: MatchView) -> None:
    detected = {name: found.detected[signal] for signal, name in _DETECTED.items() if found.detected.get(signal)}
    if found.industry:
        detected.setdefault("industry", [found.industry])
    if found.place:
        detected.setdefault("place", [found.place])
    parts = [f"{name}: {', '.join(detected[name][:_SHOWN_VALUES])}" for name in _DETECTED.values() if name in detected]
    out.print(
        f"[bold]{found.seed_id} {escape(found.seed_name)}[/]: {escape(found.reason or 'Run: icp run')}", soft_wrap=True
    )
    if parts:
        out.print(escape(f"   detected {'; '.join(parts)}"), soft_wrap=True)
    if found.edits:
        out.print(escape(f"   corrected: {', '.join(f'{key} {value}' for key, value in found.edits.items())}"))
    for candidate in found.candidates:
        probable = chance(candidate["probability"])
        name, number = candidate["name"], candidate["registration_number"]
        line = f"   {candidate['rank']}. {name} ({number}) {probable}: {candidate['why']}"
        out.print(escape(line), soft_wrap=True)


@app.command()
def confirm(tenant: TENANT, seed: SEED, by: ACTOR = None) -> None:
    """Say that the entity found for a seed is right."""
    with Warehouse().connect(autocommit=True) as connection:
        tenant_id = tenants.get(connection, tenant).tenant_id
        (found,) = _seed(connection, tenant_id, seed)
        if found.entity_id is None:
            raise MatchError(f"Nothing was found for {found.seed_name} yet: icp matches pick {tenant} {seed} NUMBER")
        _decide(connection, tenant_id, found, "confirm", found.entity_id, by, found.edits)
    out.print(escape(f"{found.seed_name} is {found.entity_name}, from the next run on."))


@app.command()
def pick(
    tenant: TENANT,
    seed: SEED,
    number: Annotated[str, typer.Argument(help="Registration number of the entity it is; `none`: it is not in it.")],
    registry: Annotated[str | None, typer.Option(help="Which registry, if several have that number.")] = None,
    by: ACTOR = None,
) -> None:
    """Say which entity a seed is, or that it is none."""
    with Warehouse().connect(autocommit=True) as connection:
        tenant_id = tenants.get(connection, tenant).tenant_id
        (found,) = _seed(connection, tenant_id, seed)
        if number.casefold() == "none":
            _decide(connection, tenant_id, found, "none", None, by)
        else:
            entity_id = matches.find_entity(connection, number, registry)
            _decide(connection, tenant_id, found, "pick", entity_id, by, found.edits)
    out.print(escape(f"{found.seed_name} is {number}, from the next run on."))


@app.command()
def edit(
    tenant: TENANT,
    seed: SEED,
    name: Annotated[str | None, typer.Option(help="The company's right name.")] = None,
    domain: Annotated[str | None, typer.Option(help="Its right website.")] = None,
    by: ACTOR = None,
) -> None:
    """Correct a seed's name or website; the next run matches it anew. Without either: take corrections back."""
    edits = {} if name is None else {"name": name.strip()}
    if name is not None and not name.strip():
        raise MatchError("An empty name matches nothing; give the company's name.")
    if domain is not None:
        known = registrable_domain(domain)
        if known is None:
            raise MatchError(f"{domain!r} is no website; give one like example.com.sg")
        edits["domain"] = known
    with Warehouse().connect(autocommit=True) as connection:
        tenant_id = tenants.get(connection, tenant).tenant_id
        (found,) = _seed(connection, tenant_id, seed)
        if edits:
            _decide(connection, tenant_id, found, "none", None, by, {**found.edits, **edits})
        else:
            matches.withdraw(connection, tenant_id=tenant_id, seed_id=seed, actor=by or getpass.getuser())
    said = ", ".join(f"{key} {value}" for key, value in edits.items())
    out.print(escape(f"{found.seed_name}: {said or 'nothing decided'}; the next run matches it anew."))


def _seed(connection: Any, tenant_id: int, seed: int) -> list[MatchView]:
    found = matches.read_matches(connection, tenant_id, seed_id=seed)
    if not found:
        raise MatchError(f"There is no active seed {seed} for this tenant; see icp matches list.")
    return found


def _decide(
    connection: Any,
    tenant_id: int,
    found: MatchView,
    decision: Any,
    entity_id: int | None,
    by: str | None,
    edits: dict[str, Any] | None = None,
) -> None:
    matches.decide(
        connection,
        tenant_id=tenant_id,
        seed_id=found.seed_id,
        decision=decision,
        entity_id=entity_id,
        actor=by or getpass.getuser(),
        edits=edits,
    )
