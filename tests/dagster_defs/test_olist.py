"""The whole graph on real data written by others, against facts computed here without the warehouse."""

from __future__ import annotations

import csv
import datetime as dt
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from dagster_defs.runs import RunReport
from ingest.outcomes.load import LoadReport, load_outcomes
from tests.loop import Rows, run
from warehouse import tenants
from warehouse.connection import Warehouse
from warehouse.settings import PROJECT_ROOT

AS_OF = dt.date(2018, 11, 30)
WINDOW = dt.timedelta(days=90)


@dataclass(frozen=True)
class Facts:
    """What plain Python finds in the files."""

    first_contact: dict[str, dt.datetime]
    origin: dict[str, str]
    won: dict[str, dt.datetime]

    def within_window(self) -> set[str]:
        return {lead for lead, at in self.won.items() if at - self.first_contact[lead] <= WINDOW}


@pytest.fixture(scope="module")
def folder(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documented example, with the data beside the mapping as it says."""
    folder = tmp_path_factory.mktemp("olist")
    shutil.copy(PROJECT_ROOT / "examples" / "olist" / "mapping.yaml", folder)
    for name in ("olist_marketing_qualified_leads_dataset.csv", "olist_closed_deals_dataset.csv"):
        (folder / name).symlink_to(shared_data / "olist_funnel" / name)
    return folder


@pytest.fixture(scope="module")
def facts(folder: Path) -> Facts:
    with (folder / "olist_marketing_qualified_leads_dataset.csv").open(encoding="utf-8", newline="") as content:
        leads = list(csv.DictReader(content))
    with (folder / "olist_closed_deals_dataset.csv").open(encoding="utf-8", newline="") as content:
        deals = list(csv.DictReader(content))
    won = {deal["mql_id"]: dt.datetime.strptime(deal["won_date"], "%d-%m-%Y %H:%M") for deal in deals}
    return Facts(
        first_contact={lead["mql_id"]: dt.datetime.strptime(lead["first_contact_date"], "%d-%m-%Y") for lead in leads},
        origin={lead["mql_id"]: lead["origin"] for lead in leads},
        won={lead: at for lead, at in won.items() if at.date() <= AS_OF},
    )


@pytest.fixture(scope="module")
def load(warehouse: Warehouse, folder: Path) -> LoadReport:
    with warehouse.connect(autocommit=True) as connection:
        tenants.add_tenant(connection, slug="olist", timezone="America/Sao_Paulo")
    return load_outcomes(warehouse, folder / "mapping.yaml")


@pytest.fixture(scope="module")
def report(warehouse: Warehouse, load: LoadReport) -> RunReport:
    report = run(warehouse, as_of=AS_OF.isoformat())
    assert report.success, report.failure
    return report


def test_every_row_is_loaded_and_nothing_is_rejected(load: LoadReport, rows: Rows) -> None:
    assert [(file.entity, file.counts.inserted, file.counts.rejected) for file in load.files] == [
        ("leads", 8_000, 0),
        ("status_events", 842, 0),
    ]
    assert rows("select count(*) from raw.rejected_rows") == [(0,)]


def test_leads_wins_and_wins_within_the_window_are_those_of_the_files(
    report: RunReport, facts: Facts, rows: Rows
) -> None:
    assert (len(facts.first_contact), len(facts.won), len(facts.within_window())) == (8_000, 842, 691)
    counted = rows(
        "select count(*), count(*) filter (where is_booked), count(*) filter (where is_booked_in_window),"
        " count(*) filter (where is_matured) from marts.lead_outcomes"
    )
    assert counted == [(8_000, 842, 691, 8_000)]


def test_every_lead_has_the_outcome_of_the_files(report: RunReport, facts: Facts, rows: Rows) -> None:
    in_window = facts.within_window()
    found = rows("select lead_source_id, is_booked, is_booked_in_window from marts.lead_outcomes")
    assert {row[0]: row[1:] for row in found} == {
        lead: (lead in facts.won, lead in in_window) for lead in facts.first_contact
    }


def test_the_one_booking_before_its_first_contact_is_flagged_and_kept_out_of_time_statistics(
    report: RunReport, facts: Facts, rows: Rows
) -> None:
    negative = [lead for lead, at in facts.won.items() if at < facts.first_contact[lead]]
    assert len(negative) == 1
    flagged = rows(
        "select lead_source_id, is_booked_in_window, days_to_booking from marts.lead_outcomes where has_negative_lag"
    )
    assert flagged == [(negative[0], True, None)]


def test_days_to_booking_are_the_difference_of_the_timestamps(report: RunReport, facts: Facts, rows: Rows) -> None:
    expected = {
        lead: (at - facts.first_contact[lead]).total_seconds() / 86_400
        for lead, at in facts.won.items()
        if at >= facts.first_contact[lead]
    }
    found = dict(
        rows("select lead_source_id, days_to_booking from marts.lead_outcomes where days_to_booking is not null")
    )
    assert found.keys() == expected.keys()
    # a first contact at a midnight that the clocks skipped is the hour after it
    assert all(abs(found[lead] - days) <= 1 / 24 + 1e-9 for lead, days in expected.items())
    assert sum(abs(found[lead] - days) > 1e-9 for lead, days in expected.items()) <= 5


def test_leads_and_wins_by_origin_are_exact_to_the_row(report: RunReport, facts: Facts, rows: Rows) -> None:
    leads = Counter(facts.origin.values())
    won = Counter(facts.origin[lead] for lead in facts.won)
    in_window = Counter(facts.origin[lead] for lead in facts.within_window())
    assert (leads["organic_search"], in_window["organic_search"]) == (2_296, 218)
    assert (leads[""], leads["unknown"]) == (60, 1_099)
    found = rows(
        "select case when is_missing then '' else value end, leads, matured, booked, booked_in_window"
        " from marts.lead_conversion_rates where attribute = 'origin'"
    )
    assert {row[0]: row[1:] for row in found} == {
        origin: (count, count, won[origin], in_window[origin]) for origin, count in leads.items()
    }


def test_landing_pages_are_an_attribute_too(report: RunReport, rows: Rows) -> None:
    (totals,) = rows(
        "select count(*), sum(leads), sum(booked) from marts.lead_conversion_rates where attribute = 'landing_page'"
    )
    assert totals == (495, 8_000, 842)


def test_origins_that_win_more_or_less_are_labelled_with_an_interval(report: RunReport, rows: Rows) -> None:
    labels = dict(rows("select value, label from learned.rate_estimates where attribute = 'origin'"))
    assert labels["unknown"] in ("better", "strong")  # 157 of 1,099 against 691 of 8,000
    assert labels["social"] == "worse"  # 58 of 1,350
    inside = rows("select bool_and(shrunk_rate between interval_low and interval_high) from learned.rate_estimates")
    assert inside == [(True,)]


def test_without_components_the_defaults_stay_and_the_reason_is_said(report: RunReport, rows: Rows) -> None:
    ((source, reason),) = rows("select source, reason from learned.current_weights")
    assert source == "default"
    assert "none of 8,000 leads with 691 bookings has score components" in reason
    notes = rows("select note from marts.pipeline_health where measure = 'share_with_components' and not holds")
    assert len(notes) == 1


def test_the_past_can_be_replayed(warehouse: Warehouse, report: RunReport, facts: Facts, rows: Rows) -> None:
    then = dt.date(2018, 3, 31)
    assert run(warehouse, as_of=then.isoformat()).success
    known = {lead for lead, at in facts.first_contact.items() if at.date() <= then}
    won = {lead for lead, at in facts.won.items() if at.date() <= then and lead in known}
    counted = rows(
        "select count(*) filter (where contacted_at is not null), count(*) filter (where is_booked)"
        " from marts.lead_outcomes"
    )
    assert counted == [(len(known), len(won))]
