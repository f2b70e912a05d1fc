"""A site that scripts make, read with Debian's Chromium where it is installed."""

from __future__ import annotations

import datetime as dt
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ingest.crawl.many import crawl_all
from ingest.crawl.settings import CrawlSettings

PAGE = b"""<html><head><title>Otter</title></head><body><div id="root"></div><script>
const shown = document.createElement("main");
shown.innerHTML = "<h1>We bake pizza for offices</h1><p>" + ["Team", "of", 6 * 7].join(" ") + " people.</p>";
document.getElementById("root").append(shown);
fetch("http://elsewhere.example/steal").catch(() => shown.append("nothing elsewhere"));
</script></body></html>"""


@pytest.fixture
def port() -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/"
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            if found:
                self.wfile.write(PAGE)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_page_made_by_scripts_is_read_as_a_visitor_sees_it(port: int) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("Chromium is not installed")
    settings = CrawlSettings.from_environment(
        {"ICP_CONNECT_TO": f"otter-sim.com = 127.0.0.1:{port}", "ICP_CRAWL_DELAY_S": "0", "ICP_BROWSER": browser}
    )
    (crawl,) = crawl_all(
        ["otter-sim.com"], settings=settings, cache=None, profile="nightly", now=dt.datetime.now(dt.UTC)
    )
    (home,) = crawl.pages
    assert home.fetched_via == "browser"
    assert "We bake pizza for offices" in home.text
    assert "Team of 42 people." in home.text


def test_without_a_browser_the_reason_is_said(port: int) -> None:
    settings = CrawlSettings.from_environment(
        {"ICP_CONNECT_TO": f"otter-sim.com = 127.0.0.1:{port}", "ICP_CRAWL_DELAY_S": "0"}
    )
    (crawl,) = crawl_all(
        ["otter-sim.com"], settings=settings, cache=None, profile="nightly", now=dt.datetime.now(dt.UTC)
    )
    assert any("ICP_BROWSER" in reason for reason in crawl.degraded_reasons)
