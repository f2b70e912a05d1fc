"""What the warehouse knows of outcomes: the entities, their fields, and what a field may hold.

Everything that differs between the four entities when reading and parsing is declared here; how each is
written is in ``loading``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["key", "text", "timestamp", "integer", "number", "boolean", "json", "action", "status"]

ACTIONS = (
    "email_sent",
    "sms_sent",
    "linkedin_sent",
    "voice_completed",
    "mail_sent",
    "replied",
    "meeting_booked",
)
# Statuses with a meaning to the models; any other is kept and counts as open.
BOOKED_STATUS = "converted"
EXIT_STATUSES = ("unsubscribed", "bounced", "not_interested", "dead")


@dataclass(frozen=True)
class Field:
    """One thing a row may say.

    Attributes:
        low, high: inclusive range of an integer or number.
        help: what it means, for ``icp load outcomes --explain``.
    """

    name: str
    kind: Kind
    help: str
    required: bool = False
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Entity:
    """One kind of row: its fields, and those that tell one row from another."""

    name: str
    table: str
    key: tuple[str, ...]
    fields: tuple[Field, ...]

    def field(self, name: str) -> Field:
        """The field of that name; KeyError if there is none."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)


COMPONENT_POINTS = {"data_quality": 20, "authority": 25, "company_fit": 25, "timing": 15, "risk": 15}
WEIGHTS = ("data_quality", "authority", "company_fit", "timing")

_SNAPSHOT = (
    *(
        Field(name, "integer", f"component {name}, 0-{points} points", low=0, high=points)
        for name, points in COMPONENT_POINTS.items()
    ),
    *(Field(f"weight_{name}", "number", f"weight of {name} when it was scored", low=0, high=1) for name in WEIGHTS),
    Field("weights_version", "integer", "the source's version of the weights", low=0, high=2**31 - 1),
    Field("score", "number", "the score it got", low=-1000, high=1000),
)
# Columns that hold several of the above as one JSON object.
JSON_GROUPS = {"components": "", "weights_used": "weight_"}

LEADS = Entity(
    name="leads",
    table="raw.leads",
    key=("lead_id",),
    fields=(
        Field("lead_id", "key", "the source's id of the lead", required=True),
        Field("created_at", "timestamp", "when the lead came in"),
        Field("first_contact_at", "timestamp", "first outreach, where activities do not tell"),
        Field("deleted_at", "timestamp", "set: the lead is left out everywhere"),
        Field("updated_at", "timestamp", "of this version of the row: an older one never overwrites a newer one"),
        Field("title", "text", "job title"),
        Field("industry", "text", "industry in the source's words"),
        Field("employee_count", "integer", "head-count of the company", low=0, high=10_000_000),
        Field("country", "text", "country of the company"),
        Field("is_new_role", "boolean", "new in the role when contacted"),
        Field("is_hiring", "boolean", "the company was hiring"),
        Field("recently_funded", "boolean", "the company was funded lately"),
        Field("status", "status", "current status; needs status_at"),
        Field("status_at", "timestamp", "since when"),
        Field("scored_at", "timestamp", "when the components below were computed"),
        *_SNAPSHOT,
    ),
)
STATUS_EVENTS = Entity(
    name="status_events",
    table="raw.lead_status_events",
    key=("lead_id", "occurred_at", "status"),
    fields=(
        Field("lead_id", "key", "the lead", required=True),
        Field("occurred_at", "timestamp", "when it got the status", required=True),
        Field("status", "status", f"{BOOKED_STATUS} is a booking; {', '.join(EXIT_STATUSES)} end it", required=True),
    ),
)
ACTIVITIES = Entity(
    name="activities",
    table="raw.activities",
    key=("activity_id",),
    fields=(
        Field("activity_id", "key", "the source's id; without one, lead, action and time make it"),
        Field("lead_id", "key", "the lead", required=True),
        Field("action", "action", "one of " + ", ".join(ACTIONS), required=True),
        Field("occurred_at", "timestamp", "when", required=True),
        Field("content_snapshot", "json", "what was sent: subject, pain_points, cta, word_count, …"),
        Field("updated_at", "timestamp", "of this version of the row: an older one never overwrites a newer one"),
    ),
)
SCORE_SNAPSHOTS = Entity(
    name="score_snapshots",
    table="raw.lead_score_snapshots",
    key=("lead_id", "scored_at"),
    fields=(
        Field("lead_id", "key", "the lead", required=True),
        Field("scored_at", "timestamp", "when it was scored", required=True),
        *_SNAPSHOT,
    ),
)
# In loading order: leads first, since everything else belongs to one.
ENTITIES = (LEADS, STATUS_EVENTS, ACTIVITIES, SCORE_SNAPSHOTS)
