"""An intake whose best customers are the suppliers with the most public awards, from GeBIZ's list of awards.

python intake_from_awards.py government_procurement_via_gebiz.csv.gz 8 > tenders.json
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
from collections import Counter
from pathlib import Path

# Companies with a site, so that there is something to read beside the registry.
WITH_SITES = [
    {"name": "1 Assist Maid Agency", "website": "https://1assist.com.sg"},
    {"name": "Otter Pizza", "website": "https://otterpizza.com.sg"},
]


def intake(awards: Path, most: int) -> dict[str, object]:
    """The payload: the suppliers with the most awards and two companies with a site."""
    with gzip.open(awards, "rt", encoding="utf-8") as content:
        won = Counter(row["supplier_name"].strip() for row in csv.DictReader(content))
    suppliers = sorted(won, key=lambda name: (-won[name], name))
    return {
        "website": "https://asiatis.com",
        "best_customers": [*WITH_SITES, *({"name": name} for name in suppliers[:most])],
        "lost_or_churned": [{"name": suppliers[-1], "reason": "only one tender a year"}],
    }


if __name__ == "__main__":
    json.dump(intake(Path(sys.argv[1]), int(sys.argv[2])), sys.stdout, indent=2, ensure_ascii=False)
