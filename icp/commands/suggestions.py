"""`icp suggestions`: micro-ICPs with their evidence, and what is decided about them."""

from __future__ import annotations

import getpass
from typing import Annotated, Any

import typer
from rich.markup import escape

from icp.console import JSON_OPTION, out, print_json, table
from warehouse import suggestions, tenants
from warehouse.connection import Warehouse
from warehouse.errors import WarehouseError
from warehouse.suggestions import Comparison, Generation, Suggestion

app = typer.Typer(
    no_args_is_help=True,
    help="Show suggested micro-ICPs with their evidence; accept, reject and compare them.",
    epilog=(
        "Examples: icp suggestions list acme · icp suggestions show acme 1 · icp suggestions accept acme 1 3 "
        "--headcount-min 10 --exclude-ssic 56111 --by maya --enrich"
    ),
)

TENANT = typer.Argument(help="Slug or external id.")
WANTED = typer.Argument(help="Ranks in the newest generation (1, 3), or ids.")
BY = typer.Option("--by", help="Who decides; default: the user of this machine.")
SHOWN_LOOKALIKES = 10


@app.command(name="list")
def list_suggestions(
    tenant: Annotated[str, TENANT],
    generation: Annotated[int | None, typer.Option(help="An earlier generation; default: the newest.")] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """List a tenant's micro-ICPs: what they target, on how much evidence, and why."""
    with Warehouse().connect() as connection:
        found = _generation(connection, tenants.get(connection, tenant).tenant_id, tenant, generation)
    if as_json:
        print_json(found)
        return
    rows = [
        (made.rank, made.title, ", ".join(made.card["ssic_cluster"]), made.card["headcount_band"])
        + (", ".join(made.card["integrations"]), ", ".join(made.card["champions"]), made.evidence_count)
        + (made.decision or ("reduced evidence" if made.reduced_evidence else None), made.suggestion_id)
        for made in found.suggestions
    ]
    heads = (">#", "micro-ICP", "industries", "size", "integrations", "champions", ">evidence", "state", "id")
    out.print(table(f"{tenant}, generation {found.generation}, {found.computed_at:%Y-%m-%d %H:%M} UTC", heads, rows))
    for made in found.suggestions:
        out.print(f"[bold]{made.rank}[/] {escape(made.card['rationale'])}")
    if found.reduced_evidence:
        out.print(f"[yellow]Reduced evidence[/]: {found.seeds_with_evidence} of {found.best_seeds} customers have any.")
    _print_advice(found)


@app.command()
def show(
    tenant: Annotated[str, TENANT],
    suggestion: Annotated[list[str] | None, WANTED] = None,
    lookalikes: Annotated[int, typer.Option(help="Look-alikes to show, at most 50.")] = SHOWN_LOOKALIKES,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Show suggestions whole (none named: all): evidence with snippets, look-alikes, pack, negative ICP, advice."""
    with Warehouse().connect() as connection:
        tenant_id = tenants.get(connection, tenant).tenant_id
        found = _generation(connection, tenant_id, tenant, None)
        ids = suggestions.resolve(connection, tenant_id, suggestion or [])
        wanted = [made for made in found.suggestions if not suggestion or made.suggestion_id in ids]
        if missing := set(ids) - {made.suggestion_id for made in wanted}:
            raise WarehouseError(
                f"{', '.join(sorted(missing))} is of an earlier generation; see: icp suggestions list {tenant} "
                "--generation NUMBER --json"
            )
        whole: list[dict[str, Any]] = [
            {
                "suggestion": made,
                "evidence": suggestions.evidence_of(connection, tenant_id, made.evidence_ids),
                "lookalikes": suggestions.lookalikes_of(connection, tenant_id, made.suggestion_id)[:lookalikes],
            }
            for made in wanted
        ]
    if as_json:
        print_json({"suggestions": whole, "negative_icp": found.negative_icp, "advice": found.advice})
        return
    for part in whole:
        _print_suggestion(part["suggestion"], part["evidence"], part["lookalikes"])
    _print_negative(found)
    _print_advice(found)


@app.command()
def accept(
    tenant: Annotated[str, TENANT],
    suggestion: Annotated[list[str], WANTED],
    headcount_min: Annotated[int | None, typer.Option(min=0, help="Smallest company.")] = None,
    headcount_max: Annotated[int | None, typer.Option(min=0, help="Largest company.")] = None,
    exclude_ssic: Annotated[
        list[str] | None,
        typer.Option(help="Industry code to leave out, with those below it (47: all retail); repeatable."),
    ] = None,
    integration: Annotated[list[str] | None, typer.Option(help="Integrations instead of the card's.")] = None,
    champion: Annotated[list[str] | None, typer.Option(help="Titles instead of the card's.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Exclusions instead of the card's.")] = None,
    country: Annotated[list[str] | None, typer.Option(help="Countries, two letters.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the rule; default: the card's title.")] = None,
    by: Annotated[str | None, BY] = None,
    enrich: Annotated[bool, typer.Option("--enrich", help="Enrich a first batch of look-alikes now.")] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Companies of that batch; the rest waits (default 10).")
    ] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Adopt suggestions as rules, with overrides; a rule of the same name is replaced and kept as inactive."""
    overrides = {
        "headcount_min": headcount_min,
        "headcount_max": headcount_max,
        "exclude_ssic_codes": exclude_ssic,
        "integrations": integration,
        "champions": champion,
        "exclusions": exclude,
        "countries": country,
        "name": name,
    }
    given = {field: value for field, value in overrides.items() if value not in (None, [])}
    warehouse = Warehouse()
    with warehouse.connect() as connection:
        known = tenants.get(connection, tenant)
        ids = suggestions.resolve(connection, known.tenant_id, suggestion)
        rules = suggestions.accept(
            connection, tenant_id=known.tenant_id, suggestion_ids=ids, actor=by or getpass.getuser(), overrides=given
        )
        adopted = [_rule(connection, known.tenant_id, rule) for rule in rules]
    report = None
    if enrich:
        from icp.commands.enrich import enrich_suggestions  # only here: it brings the crawler

        report = enrich_suggestions(warehouse, known.slug, ids, limit)
    if as_json:
        print_json({"rules": adopted, "enrichment": report})
        return
    for rule in adopted:
        codes = ", ".join(rule["payload"]["ssic_codes"]) or "no industry"
        out.print(f"Adopted as rule {rule['rule_id']}: [bold]{escape(rule['name'])}[/] ({codes}).")
        if not any(rule["payload"].get(field) for field in ("ssic_codes", "integrations", "champions")):
            out.print("[yellow]Nothing is left of it to search by: no industry, integration or title.[/]")
    if report is not None:
        from icp.commands.enrich import summarize

        summarize(report, known.slug)
    else:
        out.print(f"Enrich a first batch with: icp enrich {known.slug}")


@app.command()
def reject(
    tenant: Annotated[str, TENANT],
    suggestion: Annotated[list[str], WANTED],
    reason: Annotated[str | None, typer.Option(help="Why; kept with the decision.")] = None,
    by: Annotated[str | None, BY] = None,
) -> None:
    """Say that suggestions are not wanted; rules made of them end."""
    with Warehouse().connect() as connection:
        tenant_id = tenants.get(connection, tenant).tenant_id
        ids = suggestions.resolve(connection, tenant_id, suggestion)
        suggestions.reject(
            connection, tenant_id=tenant_id, suggestion_ids=ids, actor=by or getpass.getuser(), reason=reason
        )
    out.print(f"Rejected: {', '.join(ids)}.")


@app.command()
def compare(
    tenant: Annotated[str, TENANT],
    before: Annotated[int | None, typer.Argument(help="Generation; default: the one before the newest.")] = None,
    after: Annotated[int | None, typer.Argument(help="Generation; default: the newest.")] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Show what changed from one generation of suggestions to another."""
    with Warehouse().connect() as connection:
        found = suggestions.compare(connection, tenants.get(connection, tenant).tenant_id, before, after)
    if as_json:
        print_json(found)
        return
    _print_comparison(found)


def _generation(connection: Any, tenant_id: int, tenant: str, wanted: int | None) -> Generation:
    found = suggestions.current(connection, tenant_id, wanted)
    if found is None:
        what = f"no generation {wanted}" if wanted else "no suggestions yet"
        raise WarehouseError(f"{tenant} has {what}. Load an intake and run: icp run intake_process")
    return found


def _rule(connection: Any, tenant_id: int, rule_id: int) -> dict[str, Any]:
    row = connection.execute(
        "select name, payload from learned.icp_rules where tenant_id = %s and rule_id = %s", (tenant_id, rule_id)
    ).fetchone()
    return {"rule_id": rule_id, "name": row[0], "payload": row[1]}


def _print_suggestion(made: Suggestion, evidence: list[dict[str, Any]], lookalikes: list[dict[str, Any]]) -> None:
    card, pack = made.card, made.targeting_pack
    state = f" [green]{made.decision} by {escape(made.decided_by or '')}[/]" if made.decision else ""
    out.print(f"[bold]{made.rank} {escape(made.title)}[/] {made.suggestion_id}{state}")
    out.print(escape(card["rationale"]))
    names = [f"{code} {title}" for code, title in zip(card["ssic_cluster"], card["ssic_titles"], strict=True)]
    sample = f", for example {', '.join(card['registry']['sample'][:3])}" if card["registry"]["sample"] else ""
    lines = {
        "industries": "; ".join(names),
        "size": card["headcount_band"],
        "integrations": ", ".join(card["integrations"]),
        "champions": ", ".join(card["champions"]),
        "triggers": ", ".join(card["triggers"]),
        "registry": f"{card['registry']['total']:,} live companies{sample}",
        "red flags": "; ".join(card["negative_flags"]),
        "pitch": pack["pitch"],
        "from answers": ", ".join(card["from_answers"]),
    }
    for what, text in lines.items():
        if text:
            out.print(f"  {what}: {escape(str(text))}")
    facts = [
        (fact["evidence_id"], fact["company"], fact["signal_key"], fact["value_key"])
        + (f"{fact['source']}, by a model" if fact["is_model_only"] else fact["source"],)
        + (fact["snippet"] or fact["url"] or "",)
        for fact in evidence
    ]
    out.print(
        table(f"Evidence ({made.evidence_count})", (">id", "company", "signal", "value", "source", "words"), facts)
    )
    likes = [
        (
            like["rank"],
            like["name"],
            like["registration_number"] or like["website_domain"],
            like["score"],
            like["why"],
        )
        for like in lookalikes
    ]
    if likes:
        out.print(table("Look-alikes", (">#", "company", "number or site", ">score", "why"), likes))
    out.print()


def _print_negative(found: Generation) -> None:
    themes = [
        (theme["theme"], theme["kind"].replace("_", " "), theme["count"], ", ".join(theme["companies"]))
        for theme in found.negative_icp["themes"]
    ]
    if themes:
        out.print(table("Negative ICP", ("theme", "from", ">customers", "lost customers"), themes))
    if found.negative_icp.get("note"):
        out.print(escape(found.negative_icp["note"]))


def _print_advice(found: Generation) -> None:
    for sentence in found.advice:
        out.print(f"• {escape(sentence)}")


def _print_comparison(found: Comparison) -> None:
    out.print(
        f"Generation {found.before.generation} → {found.after.generation}: {found.before.best_seeds} → "
        f"{found.after.best_seeds} best customers, {found.before.seeds_with_evidence} → "
        f"{found.after.seeds_with_evidence} with evidence."
    )
    for what, made in (("new", found.added), ("gone", found.removed)):
        for suggestion in made:
            out.print(f"[bold]{what}[/] {escape(suggestion.title)} ({suggestion.suggestion_id})")
    for suggestion in found.kept:
        changed = found.changed.get(suggestion.suggestion_id, {})
        shown = {name: pair for name, pair in changed.items() if name not in ("rationale", "support", "registry")}
        how = "; ".join(f"{name} {escape(str(old))} → {escape(str(new))}" for name, (old, new) in shown.items())
        out.print(f"[bold]kept[/] {escape(suggestion.title)} ({suggestion.suggestion_id}){': ' + how if how else ''}")
    for what, themes in (("new red flag", found.themes_added), ("no longer", found.themes_removed)):
        for theme in themes:
            out.print(f"{what}: {escape(theme)}")
