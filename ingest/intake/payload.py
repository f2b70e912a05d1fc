"""Both shapes of a payload → answers with notes, or every problem at once.

Belongs here: shapes, paths in messages, what is true of the answers as a whole. Not here: single answers (answers.py)
and the database (store.py).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, Field, ValidationError

from ingest.intake.answers import Advanced, Answers, AntiIcp, Customer, Part
from ingest.intake.errors import IntakeError
from ingest.intake.reading import check, shown
from ingest.intake.values import distinct
from models_py.matching.names import name_key

CONFIDENT_FROM: Final = 5
"""Best customers from which suggestions are confident."""

_SECTIONS: Final = dict(zip("abcdefgh", [name for name in Advanced.model_fields if name != "other"], strict=True))
_TO_DEAL: Final = re.compile(r"^(?:acv|price_floor)(?:_[a-z]{3})?$|^(?:sales_)?cycle(?:_days)?$")
_TO_PLACE: Final = frozenset({"geo", "geos", "countries", "language", "languages", "tz", "timezone", "timezones"})
_TO_ANTI_ICP: Final = frozenset({"exclusions", "exclusion", "exclude", "anti_icp", "negative_icp"})

_Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Understood:
    """A payload that can be used.

    Attributes:
        answers: normalised; the customers of section B stand with those of the fast start.
        notes: sentences for the person who sent it.
        is_low_confidence: fewer than five best customers.
        merge: the payload asks to be added to the latest version.
    """

    answers: Answers
    notes: tuple[str, ...]
    is_low_confidence: bool
    merge: bool = False


def understand(payload: Any) -> Understood:
    """Read a payload of either shape.

    Raises:
        IntakeError: with every problem at once; also where there is neither a website nor a customer.
    """
    flat, origins = _flatten(check(payload))
    merge = flat.pop("merge", False)
    notes: list[str] = []
    try:
        answers = Answers.model_validate(flat, context={"notes": notes})
    except ValidationError as error:
        raise IntakeError(_sentences(error, origins)) from error
    if not isinstance(merge, bool):
        raise IntakeError([f"merge: {shown(merge)} – it takes true or false."])
    return conclude(answers, notes, merge=merge)


def conclude(answers: Answers, notes: Sequence[str] = (), *, merge: bool = False) -> Understood:
    """What holds for answers as a whole: each customer once, enough of them, and anything at all to start from.

    Raises:
        IntakeError: there is neither a website nor a customer (unless it is to be merged).
    """
    said = list(notes)
    more = answers.advanced.seed_customers
    best = _distinct([*answers.best_customers, *more.best_customers], answers.website, "best", said)
    lost = _distinct([*answers.lost_or_churned, *more.lost_or_churned], answers.website, "lost", said)
    section = more.model_copy(update={"best_customers": (), "lost_or_churned": ()})
    advanced = answers.advanced.model_copy(update={"seed_customers": section})
    answers = answers.model_copy(update={"best_customers": best, "lost_or_churned": lost, "advanced": advanced})
    if merge:
        return Understood(answers, tuple(said), False, merge=True)
    if not best and not lost and answers.website is None:
        raise IntakeError(
            ["The intake names neither a website nor a customer; name the website and five to fifteen best customers."]
        )
    lost_names = {_key(customer) for customer in lost}
    for customer in best:
        if _key(customer) in lost_names:
            said.append(f"{customer.name} is named among best and lost customers; it counts as both.")
    if answers.website is None:
        said.append("No website was named, so the tenant's own site cannot be read.")
    if len(best) < CONFIDENT_FROM:
        said.append(
            f"{len(best)} best customer{'' if len(best) == 1 else 's'} named; with fewer than {CONFIDENT_FROM}, "
            "suggestions have a lower confidence. Name more to raise it."
        )
    unexplained = sum(customer.reason is None for customer in lost)
    if unexplained:
        said.append(f"{unexplained} of {len(lost)} lost customers have no reason; a line each says what to avoid.")
    return Understood(answers, tuple(dict.fromkeys(said)), len(best) < CONFIDENT_FROM)


def merged(before: Answers, added: Answers) -> Answers:
    """Added answers laid over earlier ones: lists grow, single answers are replaced where there is a new one."""
    made: Answers = _merged(before, added)
    return made


def answers_hash(answers: Answers) -> str:
    """The same for the same answers in whatever order their lists are."""

    def ordered(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: ordered(inner) for key, inner in sorted(value.items())}
        if isinstance(value, list):
            return sorted((ordered(inner) for inner in value), key=lambda inner: json.dumps(inner, sort_keys=True))
        return value

    content = json.dumps(ordered(answers.model_dump(mode="json")), ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _merged(before: Any, added: Any) -> Any:
    if isinstance(added, Part):
        names = type(added).model_fields
        return added.model_copy(update={name: _merged(getattr(before, name), getattr(added, name)) for name in names})
    if isinstance(added, tuple):
        if added and isinstance(added[0], str):
            return tuple(distinct([*before, *added]))
        return tuple(dict.fromkeys((*before, *added))) if not _are_customers((*before, *added)) else (*before, *added)
    if isinstance(added, dict):
        return {**before, **added}
    return before if added is None else added


def _are_customers(items: Sequence[Any]) -> bool:
    return bool(items) and isinstance(items[0], Customer)


def _key(customer: Customer) -> str:
    return customer.domain or f"name:{name_key(customer.name)}"


def _distinct(customers: Sequence[Customer], own: str | None, kind: str, notes: list[str]) -> tuple[Customer, ...]:
    """Each company once: by domain, and a name without one joins the company of that name that has one."""
    by_name: dict[str, set[str]] = {}
    for customer in customers:
        if customer.domain:
            by_name.setdefault(name_key(customer.name), set()).add(customer.domain)
    found: dict[str, Customer] = {}
    for customer in customers:
        if customer.is_blank:
            continue
        if own is not None and customer.domain == own:
            notes.append(f"{customer.name} is the tenant's own website; it was left out of the {kind} customers.")
            continue
        domains = by_name.get(name_key(customer.name), set())
        key = next(iter(domains)) if customer.domain is None and len(domains) == 1 else _key(customer)
        known = found.get(key)
        if known is None:
            found[key] = customer
            continue
        notes.append(f"{customer.name} is named more than once among the {kind} customers; it was kept once.")
        changes = {"domain": known.domain or customer.domain, "reason": customer.reason or known.reason}
        found[key] = known.model_copy(update=changes)
    return tuple(found.values())


def _flatten(payload: dict[str, Any]) -> tuple[dict[str, Any], dict[_Path, str]]:
    """One flat shape, and where each part of it stood in the payload."""
    origins: dict[_Path, str] = {}
    levels: list[tuple[str, Mapping[str, Any]]] = [("", payload)]
    if "answers" in payload:
        answers = payload["answers"]
        if not isinstance(answers, Mapping):
            raise IntakeError([f"answers: {shown(answers)} – it takes an object with the answers."])
        levels = [("answers.", answers), ("", {key: payload[key] for key in payload if key != "answers"})]
        if isinstance(answers.get("optional"), Mapping):
            rest = {key: value for key, value in answers.items() if key != "optional"}
            levels = [("answers.optional.", answers["optional"]), ("answers.", rest), levels[-1]]
    flat: dict[str, Any] = {}
    for prefix, level in levels:
        for key, value in level.items():
            _put(flat, origins, key, value, f"{prefix}{key}")
    return flat, origins


def _put(flat: dict[str, Any], origins: dict[_Path, str], key: str, value: Any, path: str) -> None:
    if key in ("seeds", "best_customers") and isinstance(flat.get("best_customers"), list) and isinstance(value, list):
        at = len(flat["best_customers"])
        origins.update({("best_customers", at + index): f"{path}[{index}]" for index in range(len(value))})
        flat["best_customers"] = [*flat["best_customers"], *value]
    elif _TO_DEAL.match(key):
        _put_within(flat, origins, "deal", key, value, path)
    elif key in _TO_PLACE:
        _put_within(flat, origins, "geo_language_tz", key, value, path)
    elif key in _TO_ANTI_ICP:
        _put_within(flat, origins, "advanced", "anti_icp", value, path)
    elif key == "advanced" and isinstance(value, Mapping):
        for name, section in value.items():
            _put_within(flat, origins, "advanced", _section(str(name)), section, f"{path}.{name}")
    elif key in ("deal", "geo_language_tz") and isinstance(value, Mapping):
        for name, inner in value.items():
            _put_within(flat, origins, key, str(name), inner, f"{path}.{name}")
    else:
        name = "best_customers" if key == "seeds" else key
        flat[name] = value
        origins[(name,)] = path


def _put_within(flat: dict[str, Any], origins: dict[_Path, str], part: str, key: str, value: Any, path: str) -> None:
    within = flat.setdefault(part, {})
    if not isinstance(within, dict):
        raise IntakeError([f"{origins.get((part,), part)}: {shown(within)} – it takes an object."])
    if key == "anti_icp" and within.get(key):
        value = _joined(within[key], value)
    within[key] = value
    origins[(part, key)] = path
    if part == "deal":  # acv_usd is read as acv
        origins[(part, re.sub(r"^(acv|price_floor)_[a-z]{3}$", r"\1", key))] = path


def _joined(first: Any, second: Any) -> Any:
    """Two places that name exclusions, as one."""
    try:
        one, two = (dict(g) if isinstance(g, Mapping) else AntiIcp.from_plain(g) for g in (first, second))
    except ValueError:
        return second  # its own message will say what is wrong with it
    for key, value in two.items():
        both = isinstance(one.get(key), list) and isinstance(value, list)
        one[key] = [*one[key], *value] if both else value
    return one


def _section(key: str) -> str:
    """``A``, ``A) Your Business`` and ``your_business`` → your_business; others as they are."""
    words = re.sub(r"[^a-z]+", "_", key.lower().replace("&", " and ")).strip("_")
    names = [name for name in _SECTIONS.values() if words.endswith(name)]
    if names:
        return names[0]
    return _SECTIONS.get(words, key) if len(words) == 1 else _SECTIONS.get(words.removeprefix("section_"), key)


def _sentences(error: ValidationError, origins: Mapping[_Path, str]) -> list[str]:
    sentences = []
    for problem in error.errors(include_url=False):
        given = problem["input"]
        if isinstance(given, Mapping) and set(given) == {"amount", "currency"}:
            given = given["amount"]
        message = problem["msg"].removeprefix("Value error, ")
        if not problem["type"].startswith("value_error"):
            message = f"it takes something else ({message[0].lower()}{message[1:]})"
        sentences.append(f"{_where(problem['loc'], origins)}: {shown(given)} – {message}.")
    return list(dict.fromkeys(sentences))


def _where(path: _Path, origins: Mapping[_Path, str]) -> str:
    """The path as the payload has it: ``best_customers[3].website``."""
    for length in range(len(path), 0, -1):
        if path[:length] in origins:
            start, rest = origins[path[:length]], path[length:]
            break
    else:
        start, rest = "", path
    text = start + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in rest)
    return text.removeprefix(".") or "the intake"


class _Flat(Answers):
    """The flat shape."""

    merge: bool = Field(default=False, description="true: add to the latest version instead of replacing it")


class _Nested(BaseModel):
    """The shape {answers, seeds}. answers may hold a part ``optional`` with any of its keys."""

    answers: Answers
    seeds: list[Customer] = Field(default=[], description="best customers, each {seed_name, domain}")
    merge: bool = Field(default=False, description="true: add to the latest version instead of replacing it")


def json_schema() -> dict[str, Any]:
    """The published schema: the recommended form. Reading is more lenient: other names, texts for lists and numbers."""
    from pydantic.json_schema import models_json_schema

    references, definitions = models_json_schema([(_Flat, "validation"), (_Nested, "validation")])
    shapes = [references[(model, "validation")] for model in (_Flat, _Nested)]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Intake",
        "description": "What a tenant answers, in either of two shapes.",
        "anyOf": shapes,
        **definitions,
    }
