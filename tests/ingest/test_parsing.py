"""Strings into values, or into a reason that a person understands."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import IngestError
from ingest.files.source import ROW, Batch
from ingest.outcomes.entities import ACTIVITIES, LEADS, SCORE_SNAPSHOTS, Entity
from ingest.outcomes.mapping import Mapping
from ingest.outcomes.parsing import Parsed, Parser
from ingest.outcomes.timestamps import parse_timestamps

ZONE = "America/Sao_Paulo"


def parse(entity: Entity, columns: dict[str, Any], rows: list[tuple[str, ...]], **settings: Any) -> Parsed:
    """Parse rows whose columns are named as the fields' columns, in their order."""
    attributes = settings.pop("attributes", {})
    part = {"files": "x.csv", "columns": columns, **({"attributes": attributes} if attributes else {})}
    mapping = Mapping.model_validate({"name": "x", "tenant": "acme", entity.name: part, **settings})
    names = [
        value if isinstance(value, str) else value["column"] for value in (*columns.values(), *attributes.values())
    ]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row").with_row_index(ROW, 2)
    parser = Parser(
        entity, mapping, header=tuple(names), file_name="x.csv", tenants={"acme": 7, "uuid-1": 7}, timezone=ZONE
    )
    return parser.parse(Batch(frame.with_columns(pl.col(ROW).cast(pl.Int64))))


def reason(entity: Entity, columns: dict[str, Any], *row: str, **settings: Any) -> str:
    """The reason for which a single row is rejected."""
    parsed = parse(entity, columns, [row], **settings)
    assert parsed.good.height == 0
    return str(parsed.bad["reason"][0])


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("title", "  Head of  Sales ", "Head of  Sales"),
        ("title", "NULL", None),
        ("employee_count", "12.0", 12),
        ("employee_count", "", None),
        ("is_hiring", "Yes", True),
        ("is_hiring", "0", False),
        ("created_at", "2026-03-01 09:30", dt.datetime(2026, 3, 1, 12, 30, tzinfo=dt.UTC)),
        ("title", "Größte Bäckerei 🎉", "Größte Bäckerei 🎉"),
        ("title", "Robert'); drop table raw.leads; --", "Robert'); drop table raw.leads; --"),
    ],
)
def test_a_cell_becomes_its_value(field: str, text: str, value: object) -> None:
    parsed = parse(LEADS, {"lead_id": "id", field: "cell"}, [("1", text)])
    assert parsed.good[field].to_list() == [value]


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("lead_id", "", "lead_id is empty"),
        ("lead_id", "x" * 501, "longer than 500 characters"),
        ("title", "nul\x00character", "NUL character"),
        ("employee_count", "-3", "employee_count '-3' is not a whole number from 0"),
        ("employee_count", "1,234", "'1,234' is not a whole number"),
        ("employee_count", "1e400", "not a whole number"),
        ("is_hiring", "maybe", "is_hiring 'maybe' is neither true nor false"),
        ("created_at", "31-02-2026", "created_at '31-02-2026' is not a date"),
        ("created_at", "2026-02-30", "is not a date"),
        ("created_at", "0000-01-01", "is not a date of 1970-2100"),
        ("created_at", "9999-12-31", "is not a date of 1970-2100"),
    ],
)
def test_a_cell_without_a_value_has_a_reason_that_names_field_and_content(field: str, text: str, words: str) -> None:
    columns = {"lead_id": "id"} if field == "lead_id" else {"lead_id": "id", field: "cell"}
    row = (text,) if field == "lead_id" else ("1", text)
    assert words in reason(LEADS, columns, *row)


def test_a_rejected_row_is_kept_whole_with_its_key_and_tenant() -> None:
    parsed = parse(LEADS, {"lead_id": "id", "employee_count": "n"}, [("A-1", "many")])
    assert parsed.bad.select("row number", "tenant_id", "record_key").rows() == [(2, 7, "A-1")]
    assert json.loads(parsed.bad["content"][0]) == {"id": "A-1", "n": "many"}


def test_values_are_translated_without_regard_to_case_and_the_rest_kept_emptied_or_refused() -> None:
    rows = [("1", " WON "), ("2", "lost"), ("3", "open")]
    column = {"column": "s", "values": {"Won": "converted", "Lost": ""}}
    columns = {"lead_id": "id", "status": column, "status_at": {"value": "2026-01-01"}}

    def statuses(otherwise: str) -> list[Any]:
        chosen = {**columns, "status": {**column, "otherwise": otherwise}}
        names = {"lead_id": "id", "status": chosen["status"]}
        mapping = Mapping.model_validate(
            {
                "name": "x",
                "tenant": "acme",
                "leads": {"files": "x", "columns": {**names, "status_at": {"value": "2026-01-01"}}},
            }
        )
        frame = pl.DataFrame(rows, schema=["id", "s"], orient="row").with_row_index(ROW, 2)
        parser = Parser(LEADS, mapping, header=("id", "s"), file_name="x", tenants={"acme": 7}, timezone=ZONE)
        parsed = parser.parse(Batch(frame.with_columns(pl.col(ROW).cast(pl.Int64))))
        return [*parsed.good["status"].to_list(), *parsed.bad["reason"].to_list()]

    assert statuses("keep") == ["converted", None, "open"]
    assert statuses("empty") == ["converted", None, None]
    assert statuses("reject") == ["converted", None, "status 'open' is a value that the mapping does not list"]


def test_a_status_that_ends_a_lead_needs_its_date() -> None:
    columns = {"lead_id": "id", "status": "s", "status_at": "at"}
    assert "has no status_at" in reason(LEADS, columns, "1", "converted", "")
    assert parse(LEADS, columns, [("1", "in_sequence", "")]).good.height == 1


def test_missing_attributes_are_nulls_and_not_the_value_unknown() -> None:
    parsed = parse(LEADS, {"lead_id": "id"}, [("1", ""), ("2", "unknown")], attributes={"origin": "o"})
    assert [json.loads(text) for text in parsed.good["attributes"]] == [{"origin": None}, {"origin": "unknown"}]


def test_components_come_from_one_json_object() -> None:
    columns = {"lead_id": "id", "scored_at": "at", "components": "c"}
    text = '{"data_quality": 16, "authority": 22, "company_fit": 18.0, "timing": null, "other": 1}'
    good = parse(SCORE_SNAPSHOTS, columns, [("1", "2026-01-01", text)]).good
    assert good.select("data_quality", "authority", "company_fit", "timing", "risk").rows() == [
        (16, 22, 18, None, None)
    ]
    assert "not a JSON object" in reason(SCORE_SNAPSHOTS, columns, "1", "2026-01-01", "{broken")
    assert "not a JSON object" in reason(SCORE_SNAPSHOTS, columns, "1", "2026-01-01", "[16, 22]")
    assert "whole number from 0 to 20" in reason(SCORE_SNAPSHOTS, columns, "1", "2026-01-01", '{"data_quality": 99}')
    assert "whole number from 0 to 20" in reason(SCORE_SNAPSHOTS, columns, "1", "2026-01-01", '{"data_quality": 9.5}')


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": "\\u0000"}', '{"a": "\\ud800"}', "[1]", "{", "1e999"])
def test_json_that_postgres_cannot_store_is_rejected(text: str) -> None:
    columns = {"lead_id": "id", "action": "a", "occurred_at": "at", "content_snapshot": "c"}
    assert "not a JSON object" in reason(ACTIVITIES, columns, "1", "email_sent", "2026-01-01", text)


def test_an_unknown_action_is_answered_with_the_known_ones() -> None:
    columns = {"lead_id": "id", "action": "a", "occurred_at": "at"}
    assert "meeting_booked" in reason(ACTIVITIES, columns, "1", "pigeon_sent", "2026-01-01")


def test_a_missing_column_is_named_with_the_closest_one() -> None:
    mapping = Mapping.model_validate(
        {"name": "x", "tenant": "acme", "leads": {"files": "x", "columns": {"lead_id": "mql_idd"}}}
    )
    with pytest.raises(IngestError, match=r"no column 'mql_idd'; did you mean 'mql_id'"):
        Parser(LEADS, mapping, header=("mql_id", "x"), file_name="f.csv", tenants={"acme": 7}, timezone=ZONE)


def test_tenants_in_a_column_are_found_by_slug_or_external_id_and_strangers_rejected() -> None:
    mapping = Mapping.model_validate(
        {
            "name": "x",
            "tenant": {"column": "client"},
            "timezone": "UTC",
            "leads": {"files": "x", "columns": {"lead_id": "id"}},
        }
    )
    frame = pl.DataFrame(
        [("1", "acme"), ("2", "uuid-1"), ("3", "nobody"), ("4", "")], schema=["id", "client"], orient="row"
    ).with_row_index(ROW, 2)
    parser = Parser(
        LEADS, mapping, header=("id", "client"), file_name="x", tenants={"acme": 7, "uuid-1": 7}, timezone="UTC"
    )
    parsed = parser.parse(Batch(frame.with_columns(pl.col(ROW).cast(pl.Int64))))
    assert parsed.good["tenant_id"].to_list() == [7, 7]
    assert parsed.bad["reason"].to_list() == ["tenant 'nobody' is no tenant of this warehouse", "tenant is empty"]


# -- dates ------------------------------------------------------------------------------------------------------


def instants(*texts: str, formats: tuple[str, ...] = ("iso",), zone: str = ZONE) -> list[str | None]:
    parsed = parse_timestamps(pl.Series(texts, dtype=pl.String), formats, zone)
    return [None if value is None else f"{value:%Y-%m-%dT%H:%M:%S}" for value in parsed]


def test_three_formats_in_one_column_are_tried_in_order() -> None:
    found = instants("01-02-2018", "2018-02-01", "1517454000", formats=("%d-%m-%Y", "iso", "epoch"))
    assert found == ["2018-02-01T02:00:00", "2018-02-01T02:00:00", "2018-02-01T03:00:00"]


def test_offsets_overrule_the_time_zone() -> None:
    same = ("2018-06-01T10:00:00Z", "2018-06-01 18:00:00+08", "2018-06-01 18:00:00.000+0800", "2018-06-01 07:00:00")
    assert instants(*same) == ["2018-06-01T10:00:00"] * 4


def test_a_midnight_that_the_clocks_skip_is_the_first_instant_of_the_day() -> None:
    # Brazil went from 00:00 to 01:00 on 15 October 2017.
    assert instants("15-10-2017", formats=("%d-%m-%Y",)) == ["2017-10-15T03:00:00"]


def test_an_hour_that_the_clocks_repeat_is_its_first_pass() -> None:
    assert instants("2018-10-28 02:30:00", zone="Europe/Berlin") == ["2018-10-28T00:30:00"]


def test_days_that_do_not_exist_are_no_dates() -> None:
    assert instants("2023-02-29", "2024-02-29", "2024-13-01") == [None, "2024-02-29T03:00:00", None]


@given(st.text(max_size=30))
def test_any_text_is_an_instant_or_nothing(text: str) -> None:
    parse_timestamps(pl.Series([text], dtype=pl.String), ("iso", "%d-%m-%Y", "epoch"), ZONE)


cells = st.text(st.characters(blacklist_categories=["Cs"]), max_size=12)


@given(st.lists(st.tuples(cells, cells, cells, cells, cells), min_size=1, max_size=10))
def test_any_row_is_parsed_or_rejected_with_a_reason(rows: list[tuple[str, ...]]) -> None:
    columns = {
        "lead_id": "a",
        "employee_count": "b",
        "created_at": "c",
        "is_hiring": "d",
        "components": "e",
        "scored_at": "c",
    }
    names = ["a", "b", "c", "d", "e"]
    mapping = Mapping.model_validate({"name": "x", "tenant": "acme", "leads": {"files": "x", "columns": columns}})
    frame = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row").with_row_index(ROW, 2)
    parser = Parser(LEADS, mapping, header=tuple(names), file_name="x", tenants={"acme": 7}, timezone=ZONE)
    parsed = parser.parse(Batch(frame.with_columns(pl.col(ROW).cast(pl.Int64))))
    assert sorted([*parsed.good[ROW], *parsed.bad[ROW]]) == list(range(2, len(rows) + 2))
    assert parsed.bad["reason"].null_count() == 0


def test_a_column_that_files_may_lack_says_nothing_where_it_is_absent() -> None:
    columns = {"lead_id": "id", "title": {"column": "t", "optional": "true"}}
    mapping = Mapping.model_validate({"name": "x", "tenant": "acme", "leads": {"files": "x", "columns": columns}})
    frame = pl.DataFrame({ROW: [2], "id": ["1"]})
    parser = Parser(LEADS, mapping, header=("id",), file_name="x", tenants={"acme": 7}, timezone=ZONE)
    assert parser.parse(Batch(frame)).good["title"].to_list() == [None]


def test_dates_of_a_format_with_types_need_no_format_and_are_text_where_text_is_wanted() -> None:
    moment = dt.datetime(2026, 1, 31, 9, 30)
    columns = {"lead_id": "id", "created_at": "at", "first_contact_at": "day", "deleted_at": "zoned"}
    part = {"files": "x", "columns": columns, "attributes": {"since": "at", "on": "day", "until": "zoned"}}
    mapping = Mapping.model_validate({"name": "x", "tenant": "acme", "date_formats": ["%d-%m-%Y"], "leads": part})
    zoned = pl.Series([moment]).dt.replace_time_zone("Asia/Singapore")
    frame = pl.DataFrame({ROW: [2], "id": ["1"], "at": [moment], "day": [moment.date()], "zoned": zoned})
    header = ("id", "at", "day", "zoned")
    parsed = Parser(LEADS, mapping, header=header, file_name="x", tenants={"acme": 7}, timezone=ZONE).parse(
        Batch(frame)
    )
    assert parsed.bad.height == 0
    assert [f"{parsed.good[name][0]:%d %H:%M}" for name in ("created_at", "first_contact_at", "deleted_at")] == [
        "31 12:30",
        "31 03:00",
        "31 01:30",
    ]
    assert json.loads(parsed.good["attributes"][0]) == {
        "since": "2026-01-31 09:30:00",
        "on": "2026-01-31",
        "until": "2026-01-31 09:30:00+08:00",
    }


moments = st.datetimes(dt.datetime(2017, 10, 13), dt.datetime(2018, 2, 20)) | st.datetimes(dt.datetime(1971, 1, 1))
spellings = st.sampled_from(
    ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S.%f+0530", "%Y-%m-%d"]
    + ["%Y-%m-%d %H:%M", "%Y-%m-%dt%H:%M:%S -03", "%Y-%m-%dT%H:%M+01:00", "%d-%m-%Y", "%s", "x"]
)


@given(st.lists(st.builds(lambda moment, spelling: moment.strftime(spelling), moments, spellings), max_size=12))
def test_a_date_is_the_same_among_others_as_alone(texts: list[str]) -> None:
    formats = ("iso", "%d-%m-%Y", "epoch")
    together = parse_timestamps(pl.Series(texts, dtype=pl.String), formats, ZONE).to_list()
    alone = [parse_timestamps(pl.Series([text]), formats, ZONE)[0] for text in texts]
    assert together == alone
    # among so many that the clocks' changes are looked up by day
    days = [f"2017-10-{day:02} 00:30:00" for day in range(1, 31)] * 30
    among = parse_timestamps(pl.Series(["2017-10-15 00:30:00", *days]), formats, ZONE).to_list()
    assert among[0] == parse_timestamps(pl.Series(["2017-10-15 00:30:00"]), formats, ZONE)[0] == among[15]
