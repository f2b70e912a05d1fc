"""An e-mail verifier: does an address take mail? Any service, or a small one of one's own, with this shape."""

from __future__ import annotations

from typing import Literal

from ingest.enrichment.vendor import Manners, VendorClient, VendorFailure

Verdict = Literal["verified", "unverified", "invalid"]
_MANNERS = Manners(seconds=10.0, most_bytes=100_000)
_GOOD = frozenset({"valid", "verified", "deliverable", "ok", "safe"})
_BAD = frozenset({"invalid", "undeliverable", "bounce", "bounced", "disabled", "rejected", "not_found"})


class VerifierClient(VendorClient):
    """``POST {base}/verify {"email": …}`` → ``{"status": …}``."""

    vendor = "verifier"

    async def verify(self, address: str) -> Verdict | VendorFailure:
        """What the verifier says; whatever is neither a clear yes nor a clear no is ``unverified``."""
        answer = await self._call("POST", "/verify", manners=_MANNERS, body={"email": address})
        if isinstance(answer, VendorFailure):
            return answer
        if not answer.body.strip():
            return self._failure("empty", "an empty answer")
        try:
            body = answer.json()
        except ValueError:
            return self._failure("wrong_schema", "the answer is no JSON")
        status = body.get("status") if isinstance(body, dict) else None
        if not isinstance(status, str):
            return self._failure("wrong_schema", "the answer has no status")
        said = status.strip().lower()
        return "verified" if said in _GOOD else "invalid" if said in _BAD else "unverified"
