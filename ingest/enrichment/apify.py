"""Apify: one actor run, waited for, and the items it found."""

from __future__ import annotations

from typing import Any

from ingest.enrichment.vendor import Manners, VendorClient, VendorFailure

# A run that timed out has cost its money already: another is not started for it, nor for a broken connection.
_RETRIED = frozenset({429, 500, 502, 503, 504})
_MOST_BYTES = 20_000_000
_GRACE = 10.0  # seconds beyond the run's own limit, for its answer to arrive


class ApifyClient(VendorClient):
    """``POST /v2/acts/{owner~actor}/run-sync-get-dataset-items`` → 201 and a JSON array."""

    vendor = "apify"

    async def run(self, actor: str, body: dict[str, Any], *, most_items: int) -> list[dict[str, Any]] | VendorFailure:
        """The items of one run, at most so many. An empty list is an answer: the actor found nothing."""
        manners = Manners(
            seconds=self._settings.actor_seconds + _GRACE,
            most_bytes=_MOST_BYTES,
            retried=_RETRIED,
            success=frozenset({200, 201}),
            limits=frozenset({402, 429}),
        )
        path = (
            f"/v2/acts/{actor}/run-sync-get-dataset-items?timeout={self._settings.actor_seconds:.0f}&limit={most_items}"
        )
        answer = await self._call("POST", path, manners=manners, body=body, units=most_items)
        if isinstance(answer, VendorFailure):
            return answer
        if not answer.body.strip():
            return self._failure("empty", "an empty answer")
        try:
            items = answer.json()
        except ValueError:
            return self._failure("truncated", "the answer is no whole JSON")
        if not isinstance(items, list):
            return self._failure("wrong_schema", "the answer is no list of items")
        found = [item for item in items if isinstance(item, dict)]
        if items and not found:
            return self._failure("wrong_schema", "the items are no objects")
        return found[:most_items]
