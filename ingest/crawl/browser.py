"""Sites made by scripts only, rendered by a Chromium that the person who runs this installed (``ICP_BROWSER``)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
from urllib.parse import urlsplit

from ingest.crawl.readers import ReadFailure
from ingest.crawl.settings import CrawlSettings

_SECONDS = 20.0
_MOST_BYTES = 5_000_000


class ChromiumRenderer:
    """``chromium --headless --dump-dom``, one process per page, killed when its time is over.

    The browser may speak to the page's own site only (and to the hosts of the connect-to setting): what its scripts
    ask for elsewhere, the network around it included, does not resolve.
    """

    def __init__(self, binary: str, settings: CrawlSettings, *, seconds: float = _SECONDS, parallel: int = 2) -> None:
        self._binary = binary
        self._settings = settings
        self._seconds = seconds
        self._slots = asyncio.Semaphore(parallel)

    async def render(self, url: str, addresses: tuple[str, ...]) -> str | ReadFailure:
        """HTML after the scripts ran; ``addresses``: checked ones of the page's host, the first is connected to."""
        host = urlsplit(url).hostname or ""
        target = self._settings.target(host)
        if target is None and not addresses:
            return ReadFailure(url, "its address was not checked")
        first = addresses[0] if addresses else ""
        where = f"{target.host}:{target.port}" if target else f"[{first}]" if ":" in first else first
        shown = f"http://{host}{urlsplit(url).path or '/'}" if target else url
        async with self._slots:
            with tempfile.TemporaryDirectory(prefix="icp-browser-", ignore_cleanup_errors=True) as profile:
                return await self._run(
                    shown,
                    "--headless",
                    "--dump-dom",
                    "--disable-gpu",
                    "--disable-extensions",
                    "--no-first-run",
                    "--mute-audio",
                    f"--user-data-dir={profile}",
                    f"--user-agent={self._settings.agent}",
                    f"--host-resolver-rules=MAP {host} {where}, MAP * ~NOTFOUND",
                    f"--virtual-time-budget={int(self._seconds * 500)}",
                    # Chromium refuses its own sandbox to root.
                    *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
                )

    async def _run(self, url: str, *options: str) -> str | ReadFailure:
        try:
            process = await asyncio.create_subprocess_exec(
                self._binary,
                *options,
                url,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            return ReadFailure(url, f"the browser could not be started ({error.strerror or error})")
        assert process.stdout is not None
        output = bytearray()
        try:
            async with asyncio.timeout(self._seconds):
                while len(output) < _MOST_BYTES and (chunk := await process.stdout.read(65_536)):
                    output += chunk
        except TimeoutError:
            return ReadFailure(url, f"the browser did not finish within {self._seconds:.0f} s")
        finally:
            # Its helpers too: they are in a session of their own.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        text = output.decode("utf-8", "replace").replace("\x00", " ")
        return text if text.strip() else ReadFailure(url, "the browser gave an empty page")
