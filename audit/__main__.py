"""``python -m audit``: a table of licences, then known vulnerabilities. Fails on either."""

from __future__ import annotations

import sys
from collections import Counter

from rich.console import Console
from rich.table import Table

from audit import licences, vulnerabilities

EXTRAS = ("embedded", "dev")


def main() -> int:
    """Print both; 1 where a licence is not allowed, a package not installed, or a vulnerability known."""
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    product = {package.name for package in licences.installed(licences.requirements(("embedded",)))[0]}
    packages, missing = licences.installed(licences.requirements(EXTRAS))
    table = Table("package", "version", "licence", "for", "brought by", "why it may stay", box=None, pad_edge=False)
    for package in packages:
        used = "product" if package.name in product else "development"
        named = " / ".join(package.licences) or "says none"
        table.add_row(package.name, package.version, named, used, package.asked_by, package.reason or "")
    out.print(table)
    counts = Counter(name for package in packages for name in package.licences)
    out.print(
        f"\n{len(packages)} packages: {', '.join(f'{name} {count}' for name, count in counts.most_common())}",
        soft_wrap=True,
    )

    refused = [package for package in packages if not package.is_allowed]
    for package in refused:
        named = " / ".join(package.licences) or "no licence in its metadata"
        out.print(
            f"[red]{package.name} {package.version}: {named}.[/] Not in the list of audit/licences.py: do without it, "
            "or add the licence or an exception with its reason there.",
            soft_wrap=True,
        )
    for name in missing:
        out.print(
            f"[red]{name} is asked for and not installed[/], so its licence is not known: make install", soft_wrap=True
        )
    if not refused and not missing:
        out.print("Licences: all are allowed.")

    answer = vulnerabilities.look_up()
    if answer.found is None:
        out.print(
            f"[yellow]Vulnerabilities: NOT LOOKED UP[/] ({answer.why_not}). On a machine with internet access: "
            f"pipx run {' '.join(vulnerabilities.COMMAND[:-2])}",
            soft_wrap=True,
        )
    else:
        for fault in answer.found:
            out.print(f"[red]{fault}[/]")
        out.print(f"Vulnerabilities: {len(answer.found) or 'none'} known.")
    return 1 if refused or missing or answer.found else 0


if __name__ == "__main__":
    sys.exit(main())
