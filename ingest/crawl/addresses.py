"""Which addresses may be connected to: a site's owner chooses its links, redirects and name records, so none of them
may lead into the network the crawler runs in.

Names are resolved here and only checked addresses are handed to the connection: a name that answers differently the
second time gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable

from aiohttp.abc import AbstractResolver, ResolveResult

from ingest.crawl.settings import CrawlSettings

#: host → addresses, as text; raises OSError where there are none.
Lookup = Callable[[str], Awaitable[list[str]]]

# What ipaddress calls global and is still not the public web, or carries another address within.
_REFUSED = tuple(
    ipaddress.ip_network(text)
    for text in ("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "240.0.0.0/4")
)
_PUBLIC_V6 = ipaddress.ip_network("2000::/3")
_TUNNELS = tuple(ipaddress.ip_network(text) for text in ("2001::/32", "2002::/16", "2001:db8::/32", "3fff::/20"))
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class ForbiddenAddress(OSError):
    """A host name leads to an address that is not on the public web."""


class NoAddress(OSError):
    """A host name has no address."""


def is_public(address: str) -> bool:
    """Whether this is a unicast address on the public internet; what cannot be read as one is not."""
    try:
        parsed = ipaddress.ip_address(address.split("%", 1)[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return is_public(str(parsed.ipv4_mapped))
        if parsed in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)))
        if parsed not in _PUBLIC_V6 or any(parsed in network for network in _TUNNELS):
            return False
        return parsed.is_global and not parsed.is_multicast
    return (
        parsed.is_global
        and not parsed.is_multicast
        and not parsed.is_reserved
        and not any(parsed in network for network in _REFUSED)
    )


async def system_lookup(host: str) -> list[str]:
    """Addresses by the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class CheckedResolver(AbstractResolver):
    """Resolves a host for a connection: to the connect-to target where there is one, else to public addresses only."""

    def __init__(self, settings: CrawlSettings, lookup: Lookup = system_lookup) -> None:
        self._settings = settings
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Checked addresses; raises :class:`ForbiddenAddress` if any is not public, :class:`NoAddress` without one."""
        target = self._settings.target(host)
        if target is not None:
            return [_result(host, target.host, target.port)]
        try:
            addresses = await self._lookup(host)
        except (OSError, UnicodeError) as error:
            raise NoAddress(f"{host} has no address ({error})") from error
        if not addresses:
            raise NoAddress(f"{host} has no address")
        # One private address among public ones is an attack or a mistake; either way the name is not to be used.
        for address in addresses:
            if not is_public(address):
                raise ForbiddenAddress(f"{host} leads to {address}, which is not a public address")
        return [_result(host, address, port) for address in addresses]

    async def close(self) -> None:
        """Nothing is held."""


def guarded_socket(settings: CrawlSettings) -> Callable[[tuple[object, ...]], socket.socket]:
    """A socket factory that looks at the address once more, right before it is connected to.

    The resolver has checked it already; this holds even for addresses that no resolver was asked for.
    """
    targets = {(target.host, target.port) for target in settings.connect_to.values()}

    def make(info: tuple[object, ...]) -> socket.socket:
        family, kind, protocol, _, address = info
        assert isinstance(address, tuple) and isinstance(family, int) and isinstance(kind, int)
        if address[:2] not in targets and not is_public(str(address[0])):
            raise ForbiddenAddress(f"{address[0]} is not a public address")
        return socket.socket(family=family, type=kind, proto=protocol if isinstance(protocol, int) else 0)

    return make


def _result(host: str, address: str, port: int) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=address,
        port=port,
        family=socket.AF_INET6 if ":" in address else socket.AF_INET,
        proto=0,
        flags=socket.AI_NUMERICHOST,
    )
