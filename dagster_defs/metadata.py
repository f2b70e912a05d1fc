"""What people look at in the Dagster UI: row counts, previews, plots. Reads, never writes."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import dagster as dg
import psycopg
from matplotlib.figure import Figure
from psycopg import sql

PREVIEW_ROWS = 8
_WIDEST_CELL = 80


# What customers wrote, or what could not be read of it: may name persons, so it is not for everybody's eyes.
_HIDDEN = (
    *("content", "content_snapshot", "payload", "answers", "submitted_by", "decided_by", "snippet"),
    *("html", "text", "full_name", "work_email", "email", "phone_number", "detail"),
    # The source's own ids may be addresses, attributes are whatever a mapping takes: events outlive a person's request.
    *("source_id", "lead_source_id", "record_key", "attributes", "contact_key", "linkedin_url"),
)
# Of rejected rows the reason quotes the value that was refused.
_HIDDEN_IN = {("raw", "rejected_rows"): ("reason",)}


def table_metadata(connection: psycopg.Connection, schema: str, table: str) -> dict[str, Any]:
    """Row count and a preview of a table, without the columns that may hold personal data."""
    relation = sql.Identifier(schema, table)
    row = connection.execute(sql.SQL("select count(*) from {}").format(relation)).fetchone()
    cursor = connection.execute(sql.SQL("select * from {} limit {}").format(relation, PREVIEW_ROWS))
    names = [column.name for column in cursor.description or ()]
    hidden = (*_HIDDEN, *_HIDDEN_IN.get((schema, table), ()))
    shown = [at for at, name in enumerate(names) if name not in hidden]
    rows = [[row[at] for at in shown] for row in cursor]
    return {
        "dagster/row_count": row[0] if row else 0,
        "preview": markdown_table([names[at] for at in shown], rows),
    }


def markdown_table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> dg.MarkdownMetadataValue:
    """A table in markdown; long cells are cut, markup in them is shown as it is."""
    lines = [" | ".join(names), " | ".join("---" for _ in names)]
    lines += [" | ".join(_cell(value) for value in row) for row in rows]
    return dg.MetadataValue.md("\n".join(f"| {line} |" for line in lines))


def _cell(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    text = text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
    return text if len(text) <= _WIDEST_CELL else text[: _WIDEST_CELL - 1] + "…"


def figure_metadata(figure: Figure) -> dg.MarkdownMetadataValue:
    """A plot as a picture within the metadata."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=90, bbox_inches="tight")
    data = base64.b64encode(picture.getvalue()).decode()
    return dg.MetadataValue.md(f"![plot](data:image/png;base64,{data})")
