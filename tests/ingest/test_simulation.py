"""Simulated tenants: reproducible, complete like real data, and true to what was planted."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
import yaml

from ingest.simulation import (
    Effects,
    Exits,
    Flaws,
    SimulatedTenant,
    TenantSpec,
    demo_world,
    simulate,
    world,
    write,
    write_world,
)
from ingest.simulation.worlds import external_id

TOUCHES = ("email_sent", "sms_sent", "linkedin_sent", "voice_completed", "mail_sent")
STATUSES = {"new", "contacted", "converted", "unsubscribed", "bounced", "not_interested", "dead"}
SPEC = TenantSpec("acme", "Acme", external_id(1, "acme"), leads=3000, base_rate=0.10)
AS_OF = date(2026, 6, 30)


@pytest.fixture(scope="module")
def acme() -> SimulatedTenant:
    return simulate(SPEC, seed=1)


def first_touches(tenant: SimulatedTenant) -> pl.DataFrame:
    sent = tenant.tables["activities"].filter(pl.col("action").is_in(TOUCHES))
    return sent.group_by("lead_id").agg(first=pl.col("occurred_at").min(), touches=pl.len())


def bookings(tenant: SimulatedTenant) -> pl.DataFrame:
    """Status converted or activity meeting_booked, whichever is first."""
    status = tenant.tables["status_events"].filter(pl.col("status") == "converted")
    meeting = tenant.tables["activities"].filter(pl.col("action") == "meeting_booked")
    both = pl.concat([status.select("lead_id", "occurred_at"), meeting.select("lead_id", "occurred_at")])
    return both.group_by("lead_id").agg(booked=pl.col("occurred_at").min(), records=pl.len())


def matured(tenant: SimulatedTenant) -> pl.DataFrame:
    """Leads that count: not deleted, first touch at least 90 days before the end of the as-of day."""
    leads = tenant.tables["leads"].filter(pl.col("deleted_at").is_null())
    joined = leads.join(first_touches(tenant), on="lead_id").join(bookings(tenant), on="lead_id", how="left")
    old = joined.filter(pl.col("first") <= datetime(2026, 7, 1) - timedelta(days=90))
    return old.with_columns(won=(pl.col("booked") <= pl.col("first") + timedelta(days=90)).fill_null(False))


def equal(first: SimulatedTenant, second: SimulatedTenant) -> bool:
    return all(first.tables[name].equals(table) for name, table in second.tables.items()) and (
        first.truth == second.truth
    )


def test_the_same_seed_gives_the_same_tenant_and_another_seed_another() -> None:
    small = replace(SPEC, leads=300)
    assert equal(simulate(small, seed=5), simulate(small, seed=5))
    assert not equal(simulate(small, seed=5), simulate(small, seed=6))


def test_a_tenant_does_not_depend_on_how_many_others_there_are() -> None:
    few, many = world(tenants=2, leads=200, seed=3), world(tenants=9, leads=200, seed=3)
    assert many.tenants[:2] == few.tenants
    assert len({tenant.external_id for tenant in many.tenants}) == 9
    assert len({tenant.effects.component_weights for tenant in many.tenants}) == 9


def test_tenants_of_one_world_differ_in_their_leads() -> None:
    first, second = (simulate(tenant, seed=3) for tenant in world(tenants=2, leads=200, seed=3).tenants)
    assert not first.tables["leads"]["title"].equals(second.tables["leads"]["title"])


def test_written_files_are_those_a_customer_would_bring(acme: SimulatedTenant, tmp_path: Path) -> None:
    path = write(acme, tmp_path / "acme")
    assert {file.name for file in path.parent.iterdir()} == {
        "leads.csv",
        "status_events.csv",
        "activities.csv",
        "score_snapshots.csv",
        "mapping.yaml",
        "truth.json",
    }
    mapping = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert (mapping["name"], mapping["tenant"], mapping["timezone"]) == ("acme", "acme", "Asia/Singapore")
    assert mapping["leads"]["attributes"] == {"source": "source"}
    assert mapping["score_snapshots"]["columns"]["components"] == "als_components"
    for table in ("leads", "status_events", "activities", "score_snapshots"):
        header = (path.parent / mapping[table]["files"]).read_text(encoding="utf-8").splitlines()[0].split(",")
        named = set(mapping[table]["columns"].values()) | set(mapping[table].get("attributes", {}).values())
        assert named == set(header), table


def test_dates_are_local_without_offset_and_booleans_are_true_or_false(acme: SimulatedTenant, tmp_path: Path) -> None:
    write(acme, tmp_path)
    leads = pl.read_csv(tmp_path / "leads.csv", infer_schema=False)
    for column in ("created_at", "deleted_at"):
        dates = leads[column].drop_nulls()
        assert len(dates) > 0
        assert dates.str.contains(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$").all()
    assert set(leads["is_hiring"].drop_nulls()) == {"true", "false"}
    again = pl.read_csv(tmp_path / "activities.csv", infer_schema=False)
    assert again["content_snapshot"].equals(acme.tables["activities"]["content_snapshot"])


def test_truth_says_what_was_planted_and_what_came_of_it(acme: SimulatedTenant, tmp_path: Path) -> None:
    write(acme, tmp_path)
    truth = json.loads((tmp_path / "truth.json").read_text(encoding="utf-8"))
    assert truth["spec"]["base_rate"] == 0.10 and truth["as_of"] == "2026-06-30"
    counted = matured(acme)
    assert truth["counts"]["leads"] == 3000
    assert truth["counts"]["matured"] == len(counted)
    assert truth["counts"]["booked_in_window"] == counted["won"].sum()
    assert truth["counts"]["touches"] == acme.tables["activities"]["action"].is_in(TOUCHES).sum()


def test_a_world_is_written_tenant_by_tenant(tmp_path: Path) -> None:
    written = list(write_world(world(tenants=3, leads=50, seed=2), tmp_path))
    assert [spec.slug for spec, _ in written] == ["tenant-00000", "tenant-00001", "tenant-00002"]
    assert all(path == tmp_path / spec.slug / "mapping.yaml" and path.exists() for spec, path in written)


def test_ids_are_unique_and_every_event_belongs_to_a_lead(acme: SimulatedTenant) -> None:
    leads, activities = acme.tables["leads"], acme.tables["activities"]
    assert leads["lead_id"].is_unique().all() and activities["activity_id"].is_unique().all()
    for table in ("status_events", "activities", "score_snapshots"):
        assert acme.tables[table]["lead_id"].is_in(leads["lead_id"].to_list()).all()
    assert set(acme.tables["status_events"]["status"]) == STATUSES
    assert set(activities["action"]) == {*TOUCHES, "replied", "meeting_booked"}


def test_a_lead_is_created_then_scored_then_touched(acme: SimulatedTenant) -> None:
    snapshots = acme.tables["score_snapshots"]
    joined = snapshots.join(acme.tables["leads"], on="lead_id").join(first_touches(acme), on="lead_id")
    assert (joined["created_at"] < joined["scored_at"]).all()
    assert (joined["scored_at"] < joined["first"]).all()
    assert joined["lead_id"].is_duplicated().any(), "some leads are scored twice"


def test_nothing_happens_after_the_as_of_date_and_contacts_span_the_period() -> None:
    early = simulate(replace(SPEC, leads=20_000, base_rate=0.3), seed=1, as_of=date(2025, 3, 31), months=12)
    end = datetime(2025, 3, 31, 23, 59, 59)
    for table, column in (("leads", "created_at"), ("status_events", "occurred_at"), ("activities", "occurred_at")):
        assert early.tables[table][column].max() <= end  # type: ignore[operator]
    first = first_touches(early)["first"]
    assert datetime(2024, 3, 25) < first.min() < datetime(2024, 4, 20)  # type: ignore[operator]
    assert first.max() > datetime(2025, 3, 10)  # type: ignore[operator]


def test_touches_go_out_on_weekdays_in_office_hours(acme: SimulatedTenant) -> None:
    sent = acme.tables["activities"].filter(pl.col("action").is_in(TOUCHES))["occurred_at"]
    assert sent.dt.weekday().max() <= 5  # type: ignore[operator]
    assert (sent.dt.hour().min(), sent.dt.hour().max()) == (8, 18)


def test_nothing_happens_in_the_hours_in_which_clocks_change(acme: SimulatedTenant) -> None:
    times = [("leads", "created_at"), ("leads", "deleted_at"), ("status_events", "occurred_at")]
    for table, column in [*times, ("activities", "occurred_at"), ("score_snapshots", "scored_at")]:
        assert acme.tables[table][column].dt.hour().min() >= 7, table  # type: ignore[operator]


@pytest.mark.parametrize("zone", ["Europe/Paris", "Australia/Sydney", "America/New_York"])
def test_every_local_time_exists_whatever_the_clocks_do(acme: SimulatedTenant, zone: str) -> None:
    for table, column in (("leads", "created_at"), ("status_events", "occurred_at"), ("activities", "occurred_at")):
        for local in acme.tables[table][column].unique().sort().gather_every(7):
            aware = local.replace(tzinfo=ZoneInfo(zone))
            assert aware.astimezone(ZoneInfo("UTC")).astimezone(ZoneInfo(zone)).replace(tzinfo=None) == local


def test_a_lead_that_booked_or_left_is_not_touched_again(acme: SimulatedTenant) -> None:
    sent = acme.tables["activities"].filter(pl.col("action").is_in(TOUCHES))
    ends = bookings(acme).select("lead_id", end="booked")
    left = acme.tables["status_events"].filter(
        pl.col("status").is_in(["unsubscribed", "bounced", "not_interested", "dead"])
    )
    ends = pl.concat([ends, left.select("lead_id", end="occurred_at")])
    assert not ends["lead_id"].is_duplicated().any(), "a lead ends once"
    late = sent.join(ends, on="lead_id").filter(pl.col("occurred_at") >= pl.col("end"))
    assert late.is_empty()


def test_bookings_come_as_status_as_activity_or_as_both(acme: SimulatedTenant) -> None:
    status = set(acme.tables["status_events"].filter(pl.col("status") == "converted")["lead_id"])
    meeting = set(acme.tables["activities"].filter(pl.col("action") == "meeting_booked")["lead_id"])
    for share in (len(status - meeting), len(meeting - status), len(status & meeting)):
        assert share > 20


def test_leads_book_at_the_planted_rate_mostly_within_ninety_days(acme: SimulatedTenant) -> None:
    counted = matured(acme)
    assert counted["won"].mean() == pytest.approx(0.10, abs=0.012)
    late = counted.filter(pl.col("booked").is_not_null() & ~pl.col("won"))
    assert 0 <= len(late) < 0.05 * counted["won"].sum()


def test_data_have_the_flaws_of_real_data(acme: SimulatedTenant) -> None:
    leads = acme.tables["leads"]
    for column in ("title", "industry", "employee_count", "country", "source", "is_hiring"):
        assert 0.02 < leads[column].null_count() / 3000 < 0.06, column
    assert 5 <= leads["deleted_at"].count() <= 35
    assert 60 <= 3000 - len(first_touches(acme)) <= 120, "some leads are not contacted yet"
    recent = first_touches(acme).filter(pl.col("first") > datetime(2026, 4, 2))
    assert len(recent) > 300, "some leads have not matured"
    components = [json.loads(text) for text in acme.tables["score_snapshots"]["als_components"]]
    partial = [points for points in components if len(points) < 5]
    assert 0.05 < len(partial) / len(components) < 0.2
    assert leads["title"].drop_nulls().str.contains("[^\x00-\x7f]").any()


def test_flaws_can_be_turned_off() -> None:
    clean = simulate(replace(SPEC, leads=400, flaws=Flaws(0, 0, 0, 0, 0)), seed=2)
    leads = clean.tables["leads"]
    assert leads.drop("deleted_at").null_count().sum_horizontal().item() == 0
    assert leads["deleted_at"].null_count() == len(first_touches(clean)) == 400
    assert clean.tables["score_snapshots"]["als_components"].str.count_matches(":").to_list() == [5] * 400


def test_components_follow_the_points_table(acme: SimulatedTenant) -> None:
    snapshots = acme.tables["score_snapshots"].group_by("lead_id", maintain_order=True).last()
    joined = snapshots.join(acme.tables["leads"], on="lead_id")
    for row in joined.iter_rows(named=True):
        points = json.loads(row["als_components"])
        assert set(points) <= {"data_quality", "authority", "company_fit", "timing", "risk"}
        assert 0 <= points.get("data_quality", 0) <= 20 and 0 <= points.get("company_fit", 0) <= 25
        if row["title"] == "Founder" and "authority" in points:
            assert points["authority"] == 25
        if row["title"] == "Intern":
            assert points["risk"] in (5, 15)
        if row["is_new_role"] and row["is_hiring"] and row["recently_funded"] and "timing" in points:
            assert points["timing"] == 15
    assert (joined["score"] >= 0).all() and (joined["score"] <= 100).all()


def test_message_content_is_json_with_the_agreed_fields(acme: SimulatedTenant) -> None:
    sent = acme.tables["activities"].filter(pl.col("action").is_in(TOUCHES))
    for row in sent.head(500).iter_rows(named=True):
        content = json.loads(row["content_snapshot"])
        expected = {"pain_points", "cta", "word_count", "personalization_level"}
        assert set(content) == (expected | {"subject"} if row["action"] == "email_sent" else expected)
    others = acme.tables["activities"].filter(~pl.col("action").is_in(TOUCHES))
    assert others["content_snapshot"].null_count() == len(others)
    bare = simulate(replace(SPEC, leads=50, content=False), seed=1)
    assert bare.tables["activities"]["content_snapshot"].null_count() == len(bare.tables["activities"])


def test_a_tenant_without_components_brings_no_snapshots(tmp_path: Path) -> None:
    tenant = simulate(replace(SPEC, leads=50, components=False), seed=1)
    path = write(tenant, tmp_path)
    assert not (tmp_path / "score_snapshots.csv").exists()
    assert "score_snapshots" not in yaml.safe_load(path.read_text(encoding="utf-8"))


def rate_by(tenant: SimulatedTenant, column: str) -> dict[Any, float]:
    rates = matured(tenant).group_by(column).agg(pl.col("won").mean())
    return dict(rates.iter_rows())


def test_planted_attribute_effects_show_in_the_bookings() -> None:
    effects = Effects(industries={"Dental": 0.8, "Legal": -0.8}, sources={"referral": 0.7}, funded=0.6)
    tenant = simulate(replace(SPEC, leads=80_000, effects=effects), seed=4)
    industry, source, funded = (rate_by(tenant, name) for name in ("industry", "source", "recently_funded"))
    # Rates of bookings within many touches grow a little less than the hazard does.
    assert industry["Dental"] / industry["Software"] == pytest.approx(np.exp(0.8), rel=0.2)
    assert industry["Legal"] / industry["Software"] == pytest.approx(np.exp(-0.8), rel=0.2)
    assert source["referral"] / source["apollo"] == pytest.approx(np.exp(0.7), rel=0.2)
    assert funded[True] / funded[False] == pytest.approx(np.exp(0.6), rel=0.2)


def test_the_rates_in_the_truth_are_those_the_leads_book_at() -> None:
    effects = Effects(
        component_weights=(0.1, 0.3, 0.25, 0.2), component_slope=4.0, titles={"CEO": 0.5}, industries={"Legal": -0.6}
    )
    tenant = simulate(replace(SPEC, leads=30_000, effects=effects), seed=5)
    for attribute in ("title", "industry", "source", "country"):
        planted, found = tenant.truth["rates"][attribute], rate_by(tenant, attribute)
        counts = dict(matured(tenant).group_by(attribute).len().iter_rows())
        scores = [
            (found[value] - rate) / np.sqrt(rate * (1 - rate) / counts[value])
            for value, rate in planted.items()
            if counts.get(value, 0) > 200
        ]
        # Standardised: about N(0, 1). Exits are accounted for on average only, hence the slack.
        assert np.std(scores) < 1.7, attribute


def test_where_nothing_is_planted_no_attribute_touch_hour_or_channel_matters() -> None:
    tenant = simulate(replace(SPEC, leads=30_000), seed=6)
    counted = matured(tenant)
    overall = counted["won"].mean()
    for attribute in ("title", "industry", "country", "source", "is_new_role", "is_hiring", "recently_funded"):
        grouped = counted.group_by(attribute).agg(pl.len(), pl.col("won").sum()).filter(pl.col("len") > 200)
        n, won = grouped["len"].to_numpy(), grouped["won"].to_numpy()
        statistic = ((won - n * overall) ** 2 / (n * overall * (1 - overall))).sum()
        # Mean of chi-squared is its degrees of freedom; four standard deviations above is not chance.
        assert statistic < len(n) + 4 * np.sqrt(2 * len(n)), attribute


def quick_answers(effects: Effects, leads: int = 40_000) -> pl.DataFrame:
    """Touches with the bookings they made: with delays of seconds, the touch before the booking is the one."""
    spec = replace(SPEC, leads=leads, effects=effects, delay_days=1e-4, delay_spread=0.1, exits=Exits(0, 0, 0, 0))
    tenant = simulate(spec, seed=7)
    sent = tenant.tables["activities"].filter(pl.col("action").is_in(TOUCHES))
    numbered = sent.with_columns(number=pl.col("occurred_at").rank("ordinal").over("lead_id"))
    credited = numbered.join(bookings(tenant), on="lead_id", how="left")
    gap = pl.col("booked") - pl.col("occurred_at")
    return credited.with_columns(
        made=((gap > timedelta(0)) & (gap < timedelta(hours=1))).fill_null(False), hour=pl.col("occurred_at").dt.hour()
    )


def test_planted_touch_hour_channel_and_cta_hazards_show_per_touch_at_risk() -> None:
    effects = Effects(
        touches=(1.0, 1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0),
        hours={10: 2.0},
        channels={"voice": 2.0},
        ctas={"free audit": 2.0},
    )
    touches = quick_answers(effects).with_columns(
        voice=pl.col("action") == "voice_completed",
        ten=pl.col("hour") == 10,
        audit=pl.col("content_snapshot").str.contains("free audit"),
        third=pl.col("number") == 3,
    )
    for planted in ("voice", "ten", "audit", "third"):
        rates = dict(touches.group_by(planted).agg(pl.col("made").mean()).iter_rows())
        assert rates[True] / rates[False] == pytest.approx(2.0, rel=0.2), planted


def test_in_a_null_world_every_touch_number_has_the_same_hazard() -> None:
    rates = quick_answers(Effects()).group_by("number").agg(pl.col("made").mean()).sort("number")["made"].to_numpy()
    assert len(rates) == 8
    assert rates[:6] / rates[0] == pytest.approx(np.ones(6), abs=0.2)


def test_the_last_touch_before_a_booking_is_often_not_the_one_that_made_it(acme: SimulatedTenant) -> None:
    sent = acme.tables["activities"].filter(pl.col("action").is_in(TOUCHES))
    since = (
        sent.join(bookings(acme), on="lead_id")
        .filter(pl.col("occurred_at") < pl.col("booked"))
        .group_by("lead_id")
        .agg(days=(pl.col("booked") - pl.col("occurred_at").max()).dt.total_days().first())
    )
    # The planted delay has a median of four days; the last touch is nearer than that.
    assert since["days"].median() < 3  # type: ignore[operator]


def test_effort_by_tier_gives_hot_leads_more_touches() -> None:
    tenant = simulate(replace(SPEC, effort_by_tier=True), seed=8)
    scored = tenant.tables["score_snapshots"].group_by("lead_id", maintain_order=True).last()
    old = matured(tenant).filter(pl.col("booked").is_null()).join(scored, on="lead_id")
    tier = np.searchsorted([20, 35, 60, 85], old["score"].to_numpy(), side="right")
    touches = old["touches"].to_numpy()
    means = [touches[tier == code].mean() for code in range(5) if (tier == code).sum() > 20]
    assert means == sorted(means) and means[-1] > 1.7 * means[0]


def test_drifting_weights_end_where_they_were_told_to() -> None:
    effects = Effects(
        component_weights=(0.05, 0.05, 0.25, 0.50), component_drift=(0.05, 0.50, 0.25, 0.05), component_slope=5.0
    )
    tenant = simulate(replace(SPEC, leads=20_000, effects=effects), seed=9)
    scored = tenant.tables["score_snapshots"].group_by("lead_id", maintain_order=True).last()
    points = pl.col("als_components").str.json_decode(pl.Struct({"authority": pl.Float64, "timing": pl.Float64}))
    counted = matured(tenant).join(scored, on="lead_id").with_columns(points.alias("points")).unnest("points")
    halves = [
        counted.filter(half)
        for half in (pl.col("first") < pl.lit(datetime(2025, 7, 1)), pl.col("first") > pl.lit(datetime(2026, 1, 1)))
    ]
    early, late = (
        [half.select(pl.corr(name, pl.col("won").cast(pl.Float64))).item() for name in ("authority", "timing")]
        for half in halves
    )
    assert early[1] - early[0] > 0.05
    assert late[0] - late[1] > 0.02


def test_effects_on_values_that_no_lead_has_are_refused() -> None:
    with pytest.raises(ValueError, match="Astronaut"):
        simulate(replace(SPEC, effects=Effects(titles={"Astronaut": 1.0})), seed=1)
    with pytest.raises(ValueError, match="at least one lead"):
        simulate(replace(SPEC, leads=0), seed=1)


def test_the_demo_shows_every_kind_of_tenant() -> None:
    demo = demo_world(7)
    by_slug = {spec.slug: simulate(spec, seed=7) for spec in demo.tenants}
    assert len(by_slug) == 8
    assert sum(4000 <= tenant.spec.leads <= 8000 for tenant in by_slug.values()) == 2
    booked = {slug: tenant.truth["counts"]["booked_in_window"] for slug, tenant in by_slug.items()}
    assert 0 < booked["green-sprout"] < 10
    assert all(number >= 30 for slug, number in booked.items() if slug != "green-sprout")
    assert by_slug["flat-earth"].truth["component_weights"] is None
    assert "score_snapshots" not in by_slug["harbour-legal"].tables
    assert all(0.03 <= spec.base_rate <= 0.15 for spec in demo.tenants)


@pytest.mark.parametrize("tenants", [1, 20])
def test_a_hundred_thousand_touches_take_a_second_or_two(tmp_path: Path, tenants: int) -> None:
    small = world(tenants=tenants, leads=20_000 // tenants, seed=1)
    start = time.perf_counter()
    paths = [path for _, path in write_world(small, tmp_path)]
    assert time.perf_counter() - start < 6
    touches = sum(json.loads((path.parent / "truth.json").read_text())["counts"]["touches"] for path in paths)
    assert touches > 90_000


def test_null_worlds_plant_nothing_and_others_do() -> None:
    null, planted = (world(tenants=5, leads=10, seed=1, effects=effects) for effects in (False, True))
    assert all(spec.effects == Effects() for spec in null.tenants)
    assert not any(spec.effects == Effects() for spec in planted.tenants)
