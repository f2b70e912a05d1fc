"""Where a process of tests may write. Importing it sets the environment, before anything of ours reads that."""

from __future__ import annotations

import fcntl
import itertools
import os
import re
import tempfile
from pathlib import Path
from typing import IO

# Nothing a test does reaches the warehouse of the person who runs it.
_OURS = re.compile(
    r"(ICP_(?!SHARED_DATA|TEST_SERVER)|DAGSTER_HOME|OPENAI_|LLM_|LANGSMITH_|JINA_|TAVILY_|APIFY_|CRAWL_|INTERACTIVE_|RUN_NOW_)"
)
for name in filter(_OURS.match, list(os.environ)):
    del os.environ[name]


def _own_place() -> tuple[Path, IO[str]]:
    """A folder that no other process of tests uses now, and the lock that says so.

    One of a few that stay: dbt need not parse the project anew for every session.
    """
    for number in itertools.count():
        place = Path(tempfile.gettempdir()) / f"icp-tests-{os.getuid()}" / str(number)
        place.mkdir(parents=True, exist_ok=True)
        lock = (place / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return place, lock
        except BlockingIOError:
            lock.close()
    raise AssertionError  # counting does not end


_HOME, _LOCK = _own_place()
os.environ["ICP_HOME"] = str(_HOME)
os.environ["DBT_TARGET_PATH"] = str(_HOME / "target")
os.environ["DBT_LOG_PATH"] = str(_HOME / "logs")
