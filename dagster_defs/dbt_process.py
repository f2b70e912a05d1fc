"""dbt as a child that ends with its run: the script that Dagster starts in dbt's place.

A run that is killed gives back the pipeline lock at once; a dbt that went on without it would write marts beside the
next run. Does not belong here: what dbt is asked for (``transform``).
"""

from __future__ import annotations

import os
import select
import sys
import threading


def end_with_reader() -> None:
    """End this process as soon as nobody can read what it prints: its reader was killed. No matter for a terminal."""
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)  # 0: of errors alone, and a pipe without a reader is one

    def wait() -> None:
        output.poll()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    end_with_reader()
    from dbt.cli.main import cli  # one and a half seconds, in which the reader may end too

    cli()
