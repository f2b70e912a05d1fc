"""The simulated registry, sites and intakes: reproducible, in the published layouts, true to what was planted."""

from __future__ import annotations

import csv
import http.client
import json
import re
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ingest.crawl.extract import normalise_title
from ingest.domains import registrable_domain
from ingest.intake import understand
from ingest.simulation import demo_world
from ingest.simulation.evidence import (
    EvidenceWorld,
    SeedTenantSpec,
    Segment,
    demo_evidence_world,
    draw_registry,
    evidence_world,
    industry_codes,
    render,
    serve_sites,
    simulate_evidence,
    words,
)
from ingest.simulation.evidence.registry import COLUMNS
from models_py.matching.names import name_key


@pytest.fixture(scope="module")
def demo() -> EvidenceWorld:
    return demo_evidence_world(7, entities=20_000)


@pytest.fixture(scope="module")
def fifty() -> EvidenceWorld:
    return evidence_world(seed=3)


@pytest.fixture(scope="module")
def written(demo: EvidenceWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo.write(tmp_path_factory.mktemp("world"))


def test_the_same_seed_gives_the_same_world_and_another_seed_another() -> None:
    spec = SeedTenantSpec("a", "A", "a-sim.com", None)
    one, two, other = (simulate_evidence(seed=seed, entities=2_000, tenants=[spec]) for seed in (1, 1, 2))
    assert one.truth() == two.truth() and one.background == two.background
    assert (one.registry.names == two.registry.names).all()
    assert one.truth() != other.truth()


def test_the_classification_is_a_hierarchy_of_five_levels() -> None:
    codes = {code.code: code for code in industry_codes()}
    assert len(codes) == len(industry_codes())
    levels = Counter(code.level for code in codes.values())
    assert levels["subclass"] >= 200 and set(levels) == {"section", "division", "group", "class", "subclass"}
    above = {"subclass": "class", "class": "group", "group": "division", "division": "section"}
    for code in codes.values():
        assert code.title and code.definition
        if code.parent_code is None:
            assert code.level == "section"
        else:
            assert codes[code.parent_code].level == above[code.level]
    assert len({code.title for code in codes.values() if code.level == "subclass"}) == levels["subclass"]


def test_a_registry_names_nobody_twice_and_has_skewed_industries() -> None:
    start = time.process_time()
    registry = draw_registry(seed=1, entities=50_000)
    assert time.process_time() - start < 3
    assert len(set(registry.names)) == len(set(registry.registration_numbers)) == 50_000
    assert 0.6 < registry.is_live.mean() < 0.8
    counts = np.sort(np.bincount(registry.industry))
    assert counts[-1] > 10 * counts[0] > 0
    assert 0.08 < (registry.former_names != "").mean() < 0.16
    with pytest.raises(ValueError, match="1,000 to 400,000"):
        draw_registry(seed=1, entities=10)


def test_files_have_the_published_layout_by_first_letter(demo: EvidenceWorld, written: Path) -> None:
    rows = []
    for path in sorted((written / "registry").glob("*.csv")):
        letter = path.stem.removeprefix("ACRAInformationonCorporateEntities")
        with path.open(encoding="utf-8", newline="") as content:
            reader = csv.DictReader(content)
            assert reader.fieldnames == list(COLUMNS)
            part = list(reader)
        assert {row["entity_name"][0] for row in part} == {letter}
        rows += part
    assert len(rows) == len(demo.registry) and len(COLUMNS) == 53
    assert all(re.fullmatch(r"\d{5}", row["primary_ssic_code"]) for row in rows)
    assert any(row["primary_ssic_code"].startswith("0") for row in rows)
    assert all(re.fullmatch(r"\d{6}", row["postal_code"]) for row in rows)
    assert {row["former_entity_name2"] for row in rows} == {"na"}
    assert 0.1 < sum(row["secondary_ssic_code"] != "na" for row in rows) / len(rows) < 0.25
    codes = list(csv.DictReader((written / "industry_codes.csv").open(encoding="utf-8")))
    assert {row["version"] for row in codes} == {"sim"} and len(codes) == len(industry_codes())


def test_every_seed_is_a_live_entity_of_its_own(fifty: EvidenceWorld) -> None:
    live = dict(zip(fifty.registry.registration_numbers, fifty.registry.is_live, strict=True))
    seeds = [seed for tenant in fifty.tenants for seed in tenant.seeds]
    numbers = [seed.company.registration_number for seed in seeds]
    numbers += [company.registration_number for company in fifty.background]
    assert len(numbers) == len(set(numbers)) and all(live[number] for number in numbers)
    assert len(fifty.background) == 300
    domains = [company.domain for company in fifty.companies().values()]
    assert all(registrable_domain(domain) == domain for domain in domains)
    assert all("-sim" in str(domain) for domain in domains)


def test_segments_show_in_best_customers_and_rarely_elsewhere(fifty: EvidenceWorld) -> None:
    shown: Counter[str] = Counter()
    base: Counter[str] = Counter()
    seeds = 0
    for tenant in fifty.tenants:
        segment = tenant.spec.segment
        assert segment is not None and 5 <= len(tenant.of_kind("best")) <= 15
        for seed in tenant.of_kind("best"):
            seeds += 1
            shown["code"] += seed.company.code == segment.code
            shown["integration"] += segment.integrations[0] in seed.company.integrations
            shown["title"] += segment.titles[0] in seed.company.titles
            shown["band"] += seed.company.headcount_band == segment.headcount_band
        for company in fifty.background:
            base["code"] += company.code == segment.code
            base["integration"] += segment.integrations[0] in company.integrations
            base["title"] += segment.titles[0] in company.titles
    assert all(shown[key] / seeds > 0.65 for key in ("code", "integration", "title", "band"))
    compared = len(fifty.tenants) * len(fifty.background)
    assert base["code"] / compared < 0.02
    assert base["integration"] / compared < 0.1 and base["title"] / compared < 0.1


def test_background_companies_follow_the_base_rates(fifty: EvidenceWorld) -> None:
    for rates, field in ((words.INTEGRATIONS, "integrations"), (words.TITLES, "titles")):
        counts = Counter(name for company in fifty.background for name in getattr(company, field))
        for name, rate in rates.items():
            assert abs(counts[name] / 300 - rate) < 4 * (rate / 300) ** 0.5, name


def test_tenants_without_a_segment_have_seeds_of_any_kind() -> None:
    world = evidence_world(tenants=10, seed=5, entities=5_000, planted=False)
    assert all(tenant.spec.segment is None for tenant in world.tenants)
    seeds = [seed.company for tenant in world.tenants for seed in tenant.of_kind("best")]
    assert len({company.code for company in seeds}) > 0.5 * len(seeds)
    with pytest.raises(ValueError, match="too few industries"):
        evidence_world(tenants=200, seed=5, entities=1_000)


def test_intakes_are_understood_and_name_their_seeds_as_people_do(fifty: EvidenceWorld) -> None:
    named: Counter[str] = Counter()
    for tenant in fifty.tenants:
        understood = understand(tenant.intake)
        answers = understood.answers
        assert answers.website == tenant.spec.domain and answers.other == {}
        assert len(answers.best_customers) == len(tenant.of_kind("best"))
        assert [seed.reason for seed in answers.lost_or_churned] == [seed.reason for seed in tenant.of_kind("lost")]
        assert answers.must_have_integrations == () and answers.champion_titles == ()
        for said, seed in zip(answers.best_customers, tenant.of_kind("best"), strict=True):
            assert said.domain == seed.company.domain
            named[seed.named] += 1
            same = name_key(said.name) == name_key(seed.company.name)
            assert same == (seed.named in ("full", "short")), (said.name, seed)
    assert set(named) == {"full", "short", "typo", "abbreviated", "former"}
    shapes = {"answers" in tenant.intake for tenant in fifty.tenants}
    assert shapes == {True, False}


def test_pages_say_every_fact_of_the_company(fifty: EvidenceWorld) -> None:
    titles = {code.code: code.title.lower() for code in industry_codes()}
    wordings = set()
    for company in fifty.background:
        pages = render(company)
        text = re.sub(r"<[^>]+>", " ", " ".join(pages.values())).replace("&amp;", "&")
        assert titles[company.code] in text.lower()
        assert all(name in text for name in (*company.integrations, *company.hiring, company.city))
        for title in company.titles:
            assert any(spelling in text for spelling in words.SPELLINGS.get(title, (title,)))
            assert {normalise_title(spelled) for spelled in words.SPELLINGS.get(title, (title,))} == {title}
        assert re.search(rf"\b{company.headcount}\b", text)
        assert ("$" + company.pricing in text) if company.pricing else "$" not in text
        assert ("application/ld+json" in pages["/"]) == company.json_ld
        links = set(re.findall(r'href="(/[^"]*)"', pages["/"]))
        assert links == set(pages)
        wordings.add(tuple(sorted(pages)))
    assert len(wordings) > 30


def get(port: int, host: str, path: str = "/", **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": host, **headers})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def test_one_server_answers_for_every_host(demo: EvidenceWorld) -> None:
    companies = demo.companies()
    states = {state: next(c for c in companies.values() if c.state == state) for state in ("ok", "blocked", "dead")}
    with serve_sites(demo) as port:
        ok = states["ok"]
        assert ok.domain and states["blocked"].domain and states["dead"].domain
        status, headers, body = get(port, f"www.{ok.domain}:{port}")
        assert status == 200 and ok.name.replace("&", "&amp;") in body.decode()
        assert get(port, ok.domain, **{"If-None-Match": headers["ETag"]})[0] == 304
        assert get(port, ok.domain, "/nothing")[0] == 404
        sitemap = get(port, ok.domain, "/sitemap.xml")[2].decode()
        assert sitemap.count("<loc>") == len(render(ok))
        assert b"Sitemap:" in get(port, ok.domain, "/robots.txt")[2]
        assert get(port, states["blocked"].domain)[0] == 403
        for gone in (states["dead"].domain, "nobody-sim.com"):
            with pytest.raises(http.client.RemoteDisconnected):
                get(port, gone)


def test_the_demo_s_tenants_are_those_of_the_loop(demo: EvidenceWorld) -> None:
    known = {spec.slug: spec.name for spec in demo_world(7).tenants}
    assert all(known[tenant.spec.slug] == tenant.spec.name for tenant in demo.tenants)
    assert [tenant.spec.segment is None for tenant in demo.tenants] == [False, False, False, True]
    told = demo.tenant("acme-digital").intake
    assert told["must_have_integrations"] == ["HubSpot", "Shopify"] and told["employee_band"] == "51–200"


def test_truth_and_files_lie_beside_what_a_customer_would_bring(demo: EvidenceWorld, written: Path) -> None:
    truth = json.loads((written / "truth.json").read_text(encoding="utf-8"))
    assert truth == json.loads(json.dumps(demo.truth()))
    for tenant in demo.tenants:
        intake = json.loads((written / "intake" / f"{tenant.spec.slug}.json").read_text(encoding="utf-8"))
        assert intake == tenant.intake
        assert (written / "sites" / tenant.spec.domain / "index.html").exists()
    known = list(csv.DictReader((written / "domains.csv").open(encoding="utf-8")))
    assert {row["domain"] for row in known} == set(demo.companies())
    sample = list(csv.DictReader((written / "background.csv").open(encoding="utf-8")))
    assert len(sample) == len(demo.background)


def test_a_segment_that_the_registry_lacks_is_said() -> None:
    spec = SeedTenantSpec("a", "A", "a-sim.com", Segment("47211", ("HubSpot",), ("CTO",), "11-50"), best=400)
    with pytest.raises(ValueError, match="draw a larger one"):
        simulate_evidence(seed=1, entities=1_000, tenants=[spec])
