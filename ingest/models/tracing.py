"""Optional export of call records to LangSmith: who called what, how long and at what cost. Never a text."""

from __future__ import annotations

import datetime as dt
import logging
import uuid

import httpx

from ingest.models.calls import ModelCall
from ingest.models.redaction import redacted
from ingest.models.settings import ModelSettings

_TIMEOUT_SECONDS = 2.0
_logger = logging.getLogger(__name__)


class Tracer:
    """Posts one run per call; after the first failure it stays silent, as nothing depends on it."""

    def __init__(self, settings: ModelSettings) -> None:
        self._settings = settings
        self._on = settings.langsmith_api_key is not None

    def export(self, call: ModelCall) -> None:
        """Send the record of a call; never raises."""
        if not self._on:
            return
        try:
            httpx.post(
                f"{self._settings.langsmith_endpoint}/runs",
                headers={"x-api-key": self._settings.langsmith_api_key or ""},
                json=self._run(call),
                timeout=_TIMEOUT_SECONDS,
            ).raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            self._on = False
            _logger.info("LangSmith export is off for this run: %s", redacted(str(error)))

    def _run(self, call: ModelCall) -> dict[str, object]:
        end = call.called_at + dt.timedelta(milliseconds=call.latency_ms)
        usage = {
            "input_tokens": call.prompt_tokens,
            "output_tokens": call.completion_tokens,
            "total_tokens": (call.prompt_tokens or 0) + (call.completion_tokens or 0),
        }
        return {
            "id": str(uuid.uuid4()),
            "name": call.purpose,
            "run_type": "llm",
            "session_name": self._settings.langsmith_project,
            "start_time": call.called_at.isoformat(),
            "end_time": end.isoformat(),
            "inputs": {"redacted": True},
            "outputs": {"redacted": True, "outcome": call.outcome, "usage_metadata": usage},
            "error": redacted(call.detail) if call.detail and call.outcome != "ok" else None,
            "extra": {
                "metadata": {
                    "ls_provider": "openai",
                    "ls_model_name": call.model,
                    "tenant_id": call.tenant_id,
                    "cost_usd": call.cost_usd,
                    "run_id": call.run_id,
                }
            },
        }
