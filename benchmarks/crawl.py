"""Pages a second per core beside scrapy and bare HTTP clients: ``python -m benchmarks.crawl [--quick]``.

Sites of eight pages of about 100 kB on a local server in a process of its own, each under its own host name. All
crawlers obey robots.txt, make at most two requests to a site at a time, keep the same delay, follow the same links and
take title, text and links from every page. Printed, and written to benchmarks/results/crawl.md.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "crawl.md"
PATHS = ("/", "/about", "/customers", "/industries", "/integrations", "/pricing", "/careers", "/contact")
PER_SITE = 2
AT_ONCE = 32
MOST_SITES = 100


def host(number: int) -> str:
    """Addresses of the loopback network serve as host names that need no resolver (scrapy), and as such (ours)."""
    return f"127.1.{number // 250}.{number % 250 + 1}"


def name(number: int) -> str:
    return f"site{number}.example.com"


def serve(pipe: Connection) -> None:
    """The server process: prepared answers by path; host and path make each page's text its own."""
    menu = "".join(
        f'<li><a href="{path}" class="menu-item menu-item-{place}">{path.strip("/") or "Home"}</a></li>'
        for place, path in enumerate(PATHS)
    )
    block = (
        '<section class="row g-4 align-items-center"><div class="col-md-6" data-aos="fade-up"><h3>What we do</h3>'
        "<p>We move <b>goods</b> for <a href='/blog/goods-{n}'>makers</a> of machines, and count them as they go, in"
        " warehouses of our own and of others, by day and by night, with people who know what they carry.</p>"
        '<ul class="list-unstyled"><li>Storage</li><li>Carriage</li><li>Customs</li></ul></div>'
        '<div class="col-md-6"><img src="/img/{n}.jpg" alt="" srcset="/img/{n}@2x.jpg 2x" loading="lazy"/></div>'
        "</section>"
    )  # fmt: skip
    rest = "<script>" + "window.dataLayer=window.dataLayer||[];" * 300 + "</script>" + "<style>.a{b:c}</style>" * 100
    body = "".join(block.format(n=n) for n in range(165))

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport
            self.data = b""

        def data_received(self, data: bytes) -> None:
            self.data += data
            while b"\r\n\r\n" in self.data:
                head, _, self.data = self.data.partition(b"\r\n\r\n")
                lines = head.decode("latin-1").split("\r\n")
                path = lines[0].split(" ")[1]
                asked = next((line[6:] for line in lines if line.lower().startswith("host: ")), "")
                code, kind = "200 OK", "text/html; charset=utf-8"
                if path == "/robots.txt":
                    answer, kind = "User-agent: *\nDisallow: /private/\n", "text/plain"
                elif path in PATHS:
                    answer = (
                        f"<!doctype html><html><head><title>{path} | {asked}</title></head><body><nav><ul>{menu}</ul>"
                    )
                    answer += f"</nav><h1>{asked}{path}</h1>{body}{rest}</body></html>"
                else:
                    answer, code = "none", "404 Not Found"
                content = answer.encode()
                head_out = f"HTTP/1.1 {code}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
                self.transport.write(head_out.encode() + content)  # type: ignore[attr-defined]

    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Protocol, "127.0.0.1", 0, backlog=1000)
        port = server.sockets[0].getsockname()[1]
        # Each address by itself: nothing outside the loopback network is listened on.
        others = await loop.create_server(Protocol, [host(number) for number in range(MOST_SITES)], port, backlog=1000)
        pipe.send(port)
        await asyncio.gather(server.serve_forever(), others.serve_forever())

    asyncio.run(run())


def crawl_ours(port: int, sites: int, delay: float) -> int:
    from dataclasses import replace

    from ingest.crawl.many import crawl_all
    from ingest.crawl.settings import CrawlSettings, Target

    settings = CrawlSettings(connect_to={"*": Target("127.0.0.1", port)}, concurrency=AT_ONCE if not delay else sites)
    profile = replace(settings.nightly, concurrency=PER_SITE, delay=delay)
    found = crawl_all(
        [name(number) for number in range(sites)],
        settings=settings,
        cache=None,
        profile=profile,
        now=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    )
    return sum(len(site.pages) for site in found)


def crawl_scrapy(port: int, sites: int, delay: float, *, our_parser: bool = False) -> int:
    import logging

    import scrapy
    from scrapy.crawler import CrawlerProcess

    from ingest.crawl.document import read_document

    logging.disable(logging.CRITICAL)
    seen: list[str] = []

    class Site(scrapy.Spider):
        name = "site"
        custom_settings = {  # noqa: RUF012
            "ROBOTSTXT_OBEY": True,
            "CONCURRENT_REQUESTS": AT_ONCE * PER_SITE if not delay else sites * PER_SITE,
            "CONCURRENT_REQUESTS_PER_DOMAIN": PER_SITE,
            "DOWNLOAD_DELAY": delay,
            "RANDOMIZE_DOWNLOAD_DELAY": False,
            "TELNETCONSOLE_ENABLED": False,
            "LOG_ENABLED": False,
        }

        async def start(self):  # type: ignore[no-untyped-def]
            for number in range(sites):
                yield scrapy.Request(f"http://{host(number)}:{port}/")

        def parse(self, response):  # type: ignore[no-untyped-def]
            if our_parser:
                document = read_document(response.text, response.url)
                assert document.text
                links = [link.url for link in document.links]
            else:
                assert response.css("title::text").get()
                text = " ".join(response.xpath("//body//text()[not(parent::script or parent::style)]").getall())
                assert text
                links = [response.urljoin(link) for link in response.css("a::attr(href)").getall()]
            seen.append(response.url)
            if response.url.endswith("/"):
                for link in links:
                    if "/" + link.split("/", 3)[3] in PATHS:
                        yield scrapy.Request(link)

    process = CrawlerProcess()
    process.crawl(Site)
    process.start()
    return len(set(seen))


def crawl_bare(port: int, sites: int, delay: float, *, client: str) -> int:
    """The client alone with our parser: no robots, no delays, no caps; what the choice of the client costs."""
    from ingest.crawl.document import read_document

    async def run() -> int:
        slots = asyncio.Semaphore(AT_ONCE)
        count = 0

        async def site(get: Callable, base: str) -> None:  # type: ignore[type-arg]
            nonlocal count
            async with slots:
                for path in PATHS:
                    body = await get(base + path)
                    count += bool(read_document(body.decode(), base + path).text)

        bases = [f"http://{host(number)}:{port}" for number in range(sites)]
        if client == "httpx":
            import httpx

            async with httpx.AsyncClient(limits=httpx.Limits(max_connections=AT_ONCE)) as session:

                async def get(url: str) -> bytes:
                    return (await session.get(url)).content

                await asyncio.gather(*(site(get, base) for base in bases))
        else:
            import aiohttp

            async with aiohttp.ClientSession() as session:

                async def get(url: str) -> bytes:
                    async with session.get(url) as response:
                        return await response.read()

                await asyncio.gather(*(site(get, base) for base in bases))
        return count

    return asyncio.run(run())


CRAWLERS: dict[str, Callable[[int, int, float], int]] = {
    "this crawler": crawl_ours,
    "scrapy": crawl_scrapy,
    "scrapy with this parser": lambda *given: crawl_scrapy(*given, our_parser=True),
    "aiohttp and this parser, no rules or caps": lambda *given: crawl_bare(*given, client="aiohttp"),
    "httpx and this parser, no rules or caps": lambda *given: crawl_bare(*given, client="httpx"),
}


def work(which: str, port: int, sites: int, delay: float) -> None:
    """In a process of its own, warmed up on two sites where the crawler can run twice."""
    if "scrapy" not in which:
        CRAWLERS[which](port, 2, 0.0)
    wall, cpu = time.perf_counter(), time.process_time()
    pages = CRAWLERS[which](port, sites, delay)
    figures = {"pages": pages, "seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    sys.stdout.write(json.dumps(figures))


def measure(which: str, port: int, sites: int, delay: float, repeats: int) -> dict[str, float]:
    """The fastest of some runs, in a fresh process each."""
    runs = []
    for _ in range(repeats):
        command = [sys.executable, "-m", "benchmarks.crawl", "--work", which, str(port), str(sites), str(delay)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
        runs.append(json.loads(done.stdout))
        assert runs[-1]["pages"] == sites * len(PATHS), (which, runs[-1])
    return min(runs, key=lambda run: run["cpu"])


def table(port: int, sites: int, delay: float, repeats: int, crawlers: list[str]) -> list[str]:
    lines = ["| | pages | seconds | CPU seconds | pages a second | pages a CPU second |", "|---|---|---|---|---|---|"]
    for which in crawlers:
        run = measure(which, port, sites, delay, repeats)
        rates = f"{run['pages'] / run['seconds']:,.0f} | {run['pages'] / run['cpu']:,.0f}"
        lines.append(f"| {which} | {run['pages']:,} | {run['seconds']:.1f} | {run['cpu']:.1f} | {rates} |")
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer sites, nothing written")
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        which, port, sites, delay = given.work
        work(which, int(port), int(sites), float(delay))
        return
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    port = ours.recv()
    start = time.perf_counter()
    try:
        sites, repeats = (20, 1) if given.quick else (MOST_SITES, 1)
        lines = [
            "# Crawling",
            "",
            f"{sites} sites × {len(PATHS)} pages of 100 kB, {AT_ONCE} sites and {PER_SITE} requests",
        ]
        lines += [
            "to a site at a time, no delay. CPU seconds are those of the crawler's process: the server has its own.",
            "",
        ]
        lines += table(port, sites, 0.0, repeats, list(CRAWLERS))
        polite = 10 if given.quick else 40
        lines += ["", f"Politely: {polite} sites at once, 0.25 s between two requests to one site.", ""]
        lines += table(port, polite, 0.25, 1, ["this crawler", "scrapy"])
    finally:
        server.kill()
    lines += ["", f"`python -m benchmarks.crawl`, {time.perf_counter() - start:.0f} s on {os.cpu_count()} cores."]
    if not given.quick:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
