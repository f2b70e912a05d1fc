"""What is written for people and programs to read: patterns, cards, targeting packs, rules and the negative ICP.

Belongs here: the pydantic models, whose JSON Schemas are published under docs/schemas. Not here: how they are filled.
The key names are those of the intake specification; what it does not name stands beside them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from models_py.patterns import export_json_schema
from models_py.suggestions.estimates import SignalLabel

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Companies = Annotated[int, Field(ge=1, description="How many of the best customers show it.")]
ThemeSignal = Literal["theme", "trigger", "hiring", "pricing", "integration", "buyer_title", "ssic"]
AnswerField = Literal["ssic_cluster", "headcount_band", "integrations", "champions", "triggers"]
ThemeKind = Literal["loss_reason", "exclusion", "price_floor", "shared_trait"]


class _Contract(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Interval(_Contract):
    """Central 90 % interval of a share."""

    low: Share
    high: Share


class IndustryCount(_Contract):
    """An industry code of best customers."""

    code: str
    title: str
    version: str | None = Field(description="Of the classification that the code is of.")
    cnt: Companies


class IntegrationCount(_Contract):
    """An integration or technology of best customers."""

    name: str
    cnt: Companies


class TitleCount(_Contract):
    """A title of best customers' buyers."""

    title: str
    cnt: Companies


class BandCount(_Contract):
    """A size band of best customers."""

    band: str
    cnt: Companies


class Headcount(_Contract):
    """How large best customers are, as far as it is known; the median is a company's band."""

    median_low: int | None = Field(ge=0)
    median_high: int | None = Field(ge=0, description="Null without an upper limit, or without any band.")
    bands: list[BandCount] = Field(description="Smallest first.")


class PatternTheme(_Contract):
    """What best customers' sites, or the tenant's own, speak of."""

    theme: str
    kind: ThemeSignal
    cnt: int = Field(ge=0, description="How many of the best customers show it.")
    on_own_site: bool
    weight: float = Field(ge=0.5, description="cnt, and a half if the tenant's own site names it.")


class IcpPatterns(_Contract):
    """A row of marts.icp_patterns: what a tenant's best customers have in common, most frequent first."""

    tenant_id: int
    intake_version: int | None = Field(ge=1, description="Null without answers.")
    is_low_confidence: bool
    best_companies: int = Field(ge=0)
    companies_with_evidence: int = Field(ge=0)
    top_ssics: list[IndustryCount] = Field(max_length=20)
    common_integrations: list[IntegrationCount] = Field(max_length=20)
    frequent_buyer_titles: list[TitleCount] = Field(max_length=20)
    headcount: Headcount
    themes: list[PatternTheme] = Field(max_length=30)


class Support(_Contract):
    """How many of the best customers with evidence belong to the segment."""

    companies: int = Field(ge=1)
    n: int = Field(ge=1)
    share: Share
    interval: Interval
    names: list[str] = Field(description="The customers, as the tenant named them.")


class RegistryView(_Contract):
    """Live companies of the cluster's codes in the registries."""

    total: int = Field(ge=0)
    sample: list[str] = []


class SignalFlag(_Contract):
    """One signal of the card, among all best customers, against companies at large."""

    signal: str
    value: str
    text: str
    companies: int = Field(ge=0)
    n: int = Field(ge=0)
    lift: float | None = Field(default=None, ge=0.0, description="Shrunk; null without a base rate.")
    p_value: float | None = Field(default=None, ge=0.0, le=1.0)
    label: SignalLabel


class SuggestionCard(_Contract):
    """A micro-ICP: a segment of the best customers, what it is made of and how sure that is."""

    id: str = Field(pattern=r"^sugg_[0-9a-f]{12}$", description="The same for the same tenant, cluster and conditions.")
    title: str = Field(min_length=1)
    ssic_cluster: list[str] = Field(description="Industry codes of the segment's customers, most frequent first.")
    ssic_titles: list[str]
    ssic_version: str | None = None
    headcount_band: str | None = None
    integrations: list[str] = []
    champions: list[str] = []
    triggers: list[str] = []
    evidence_count: int = Field(ge=1)
    evidence_ids: list[int] = Field(min_length=1, description="evidence_id of learned.evidence.")
    registry: RegistryView
    rationale: str
    negative_flags: list[str] = []
    support: Support
    lift: float | None = Field(default=None, ge=0.0, description="Of what defines the segment; shrunk.")
    score: float
    signals: list[SignalFlag] = []
    from_answers: list[AnswerField] = Field(default=[], description="Fields that the tenant answered, not found.")
    reduced_evidence: bool


class TargetingPack(_Contract):
    """What a campaign needs of a card."""

    ssic_filters: list[str]
    technographic_filters: list[str]
    pitch: str


class IcpRule(_Contract):
    """Payload of a rule that a person adopted; sourcing reads it."""

    ssic_codes: list[str]
    ssic_version: str | None = None
    integrations: list[str] = []
    champions: list[str] = []
    exclusions: list[str] = []
    headcount_min: int | None = Field(default=None, ge=0)
    headcount_max: int | None = Field(default=None, ge=0)
    triggers: list[str] = []
    excluded_ssic_codes: list[str] | None = Field(
        default=None, description="Taken out when it was adopted, with all codes that begin so."
    )
    countries: list[str] | None = Field(default=None, description="Set when it was adopted.")


class NegativeTheme(_Contract):
    """A reason to leave a company alone, and where it comes from."""

    theme: str
    kind: ThemeKind
    count: int = Field(ge=1, description="Lost customers that it holds for; 1 for an answer.")
    companies: list[str] = []
    wordings: list[str] = Field(default=[], description="As it was said, where several wordings were taken as one.")
    evidence_ids: list[int] = []


class NegativeIcp(_Contract):
    """Whom not to target. Three themes where losses and answers hold three; none is invented."""

    themes: list[NegativeTheme] = []
    note: str | None = Field(default=None, description="What would make it complete, where it is not.")


#: File of docs/schemas → model.
SCHEMAS: Final[dict[str, type[BaseModel]]] = {
    "icp_patterns.schema.json": IcpPatterns,
    "suggestion_card.schema.json": SuggestionCard,
    "targeting_pack.schema.json": TargetingPack,
    "icp_rule.schema.json": IcpRule,
    "negative_icp.schema.json": NegativeIcp,
}


def export_schemas(folder: Path) -> None:
    """Write the JSON Schemas of all contracts of this room."""
    for name, model in SCHEMAS.items():
        export_json_schema(folder / name, model)
