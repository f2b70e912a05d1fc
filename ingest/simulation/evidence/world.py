"""A whole world of the evidence side: registry, tenants with seeds, background companies, and its files.

Belongs here: putting the parts together and writing them. The truth stays beside what a customer would bring.
"""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ingest.simulation.evidence.classification import VERSION, industry_codes
from ingest.simulation.evidence.companies import CompanyDraw, draw_seeds
from ingest.simulation.evidence.intakes import intake
from ingest.simulation.evidence.registry import Registry, draw_registry, write_registry
from ingest.simulation.evidence.server import serve
from ingest.simulation.evidence.sites import render
from ingest.simulation.evidence.spec import Company, SeedTenantSpec, TenantTruth


@dataclass(frozen=True)
class EvidenceWorld:
    """What was drawn.

    background   random live companies with sites that no tenant named: the sample that base rates come from
    """

    seed: int
    registry: Registry
    tenants: tuple[TenantTruth, ...]
    background: tuple[Company, ...]

    def tenant(self, slug: str) -> TenantTruth:
        """The tenant with a slug."""
        return next(tenant for tenant in self.tenants if tenant.spec.slug == slug)

    def companies(self) -> dict[str, Company]:
        """All companies with a site, by domain."""
        named = [company for tenant in self.tenants for company in (tenant.own, *(s.company for s in tenant.seeds))]
        return {company.domain: company for company in (*named, *self.background) if company.domain}

    def truth(self) -> dict[str, Any]:
        """What was planted where, as truth.json has it."""
        return {"seed": self.seed, "version": VERSION, "tenants": [_truth(tenant) for tenant in self.tenants]}

    def write(self, directory: Path, *, sites: bool = True) -> Path:
        """Write all files into ``directory``, which is made and returned.

        registry/*.csv, industry_codes.csv, intake/<slug>.json, background.csv and domains.csv (name, domain),
        truth.json, and sites/<domain>/ unless ``sites`` is False.
        """
        directory.mkdir(parents=True, exist_ok=True)
        write_registry(self.registry, directory / "registry")
        codes = [(VERSION, c.code, c.level, c.parent_code or "", c.title, c.definition) for c in industry_codes()]
        names = ("version", "code", "level", "parent_code", "title", "definition")
        _write_csv(directory / "industry_codes.csv", names, codes)
        with_sites = sorted(self.companies().items())
        known = [(company.name, domain, company.registration_number) for domain, company in with_sites]
        _write_csv(directory / "domains.csv", ("name", "domain", "registration_number"), known)
        sample = [(company.name, company.domain, company.registration_number) for company in self.background]
        _write_csv(directory / "background.csv", ("name", "domain", "registration_number"), sample)
        (directory / "intake").mkdir(exist_ok=True)
        for tenant in self.tenants:
            _write_json(directory / "intake" / f"{tenant.spec.slug}.json", tenant.intake)
        _write_json(directory / "truth.json", self.truth())
        if sites:
            for domain, company in with_sites:
                _write_site(directory / "sites" / domain, company)
        return directory


def simulate_evidence(
    *, seed: int, entities: int = 50_000, tenants: Sequence[SeedTenantSpec], background: int = 300
) -> EvidenceWorld:
    """Draw a world; the same arguments give the same one.

    Raises:
        ValueError: the registry is too small for the tenants' segments, or a segment names what does not exist.
    """
    registry = draw_registry(seed=seed, entities=entities)
    draw = CompanyDraw(registry, np.random.default_rng([seed, 12]))
    sample = tuple(draw.company(draw.entity()) for _ in range(background))
    return EvidenceWorld(seed, registry, tuple(_tenant(draw, spec) for spec in tenants), sample)


@contextmanager
def serve_sites(world: EvidenceWorld, *, port: int = 0) -> Iterator[int]:
    """Serve every site of a world on 127.0.0.1 by Host header; yields the port."""
    with serve(world.companies(), port=port) as chosen:
        yield chosen


def _tenant(draw: CompanyDraw, spec: SeedTenantSpec) -> TenantTruth:
    seeds = draw_seeds(draw, spec)
    entity = draw.entity([spec.own_code] if spec.own_code else None)
    own = dataclasses.replace(draw.company(entity), name=spec.name, domain=spec.domain)
    if spec.segment:  # a tenant's own site names its customers' world: the tools and the people it works with
        integrations = tuple(dict.fromkeys([*spec.segment.integrations, *own.integrations]))
        titles = tuple(dict.fromkeys([*spec.segment.titles, *own.titles]))
        own = dataclasses.replace(own, integrations=integrations, titles=titles)
    served = [seed.company for seed in seeds if seed.kind == "best" and seed.company.domain]
    own = dataclasses.replace(own, customers=tuple(company.name for company in served[:4]) or own.customers)
    return TenantTruth(spec, own, seeds, intake(spec, own, seeds, draw.random))


def _truth(tenant: TenantTruth) -> dict[str, Any]:
    seeds = [
        {
            "seed_name": seed.seed_name,
            "named": seed.named,
            "kind": seed.kind,
            "reason": seed.reason,
            "registration_number": seed.company.registration_number,
            "entity_name": seed.company.name,
            "domain": seed.company.domain,
            "code": seed.company.code,
            "site": seed.company.state,
        }
        for seed in tenant.seeds
    ]
    segment = dataclasses.asdict(tenant.spec.segment) if tenant.spec.segment else None
    return {"slug": tenant.spec.slug, "name": tenant.spec.name, "segment": segment, "seeds": seeds}


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[str | None]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _write_site(directory: Path, company: Company) -> None:
    if company.state != "ok":
        return
    directory.mkdir(parents=True, exist_ok=True)
    for path, page in render(company).items():
        name = "index.html" if path == "/" else path.strip("/").removesuffix(".html") + ".html"
        (directory / name).write_text(page, encoding="utf-8")
