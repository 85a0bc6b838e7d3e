"""Messages without secrets: those of addresses in them, and those that the environment names.

uv masks passwords of addresses that it understands. Queries it shows, and of a setting that is not
valid it repeats the whole value.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MASK = "****"
_PASSWORD = re.compile(r"UV_INDEX_\w+_PASSWORD", re.IGNORECASE)
_ADDRESSES = frozenset(
    ("UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_INDEX", "UV_INDEX_URL")
)
_USER = re.compile(r"//(?P<name>[^\s:@/]*)(?::(?P<password>\S*))?@")
# With one slash it is an address that somebody has mistyped.
_ADDRESS_USER = re.compile(r"(://|:/(?=[^\s/:@]+:))[^\s'\"`<>]*@")
_QUERY = re.compile(r"(://[^\s?#]*)\?[^\s#`'\")]*")


def masked(text: str, environ: Mapping[str, str]) -> str:
    """``text`` without queries of addresses, and without the secrets in values of ``environ``."""
    # The longest first: one may be a part of another.
    for secret in sorted(set(_secrets(environ)), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return _QUERY.sub(rf"\1?{MASK}", text)


def without_users(text: str) -> str:
    """``text`` without what stands before the host in addresses, whoever has written them."""
    return _ADDRESS_USER.sub(rf"\1{MASK}@", text)


def _secrets(environ: Mapping[str, str]) -> Iterator[str]:
    for name, value in environ.items():
        if _PASSWORD.fullmatch(name) and value:
            yield value
        # Where spaces are in it that should be encoded, the parts end up in several words.
        if name.upper() in _ADDRESSES:
            for address in value.split(","):
                user = address.partition("://")[2].rpartition("@")[0]
                yield from (part for part in re.split(r"[\s:/@]+", user) if len(part) > 3)
        # A variable may hold several addresses.
        for part in value.split():
            found = _USER.search(part)
            # A user name alone is a token.
            secret = (found["password"] or found["name"]) if found else ""
            if secret:
                yield from (secret, unquote(secret))


def without_credentials(url: str) -> str:
    """``url`` without user name and password, and without a query, which may be a token."""
    address, mark, fragment = url.partition("#")
    address = address.partition("?")[0]
    parts = urlsplit(address)
    # Put together again, `file:some/where` would become an absolute path.
    if parts.netloc:
        address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return f"{address}{mark}{fragment}"


def shown_url(url: str) -> str:
    """``url`` as messages show it: as above, and without a fragment."""
    return without_credentials(url).partition("#")[0]
