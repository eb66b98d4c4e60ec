"""The adapter of requests for one server: its connections keep a total deadline and the trust of this machine."""

from __future__ import annotations

import ssl
from base64 import b64encode
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict

from turso_deploy.http.connection import POOLS, socks_pools


class Adapter(HTTPAdapter):
    """An adapter for one server. `context` is for TLS, to the server and to a proxy before it."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        """Set the pools of connections without a proxy."""
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._context, **options)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """Return the pools of connections through a proxy."""
        by_socks = proxy.startswith("socks")
        tls = {"ssl_context": self._context} | ({} if by_socks else {"proxy_ssl_context": self._context})
        manager = super().proxy_manager_for(proxy, **tls, **options)
        manager.pool_classes_by_scheme = socks_pools() if by_socks else POOLS
        return manager

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        """Return the header with the credentials for a proxy; requests knows only those of Latin-1."""
        url = urlsplit(proxy)
        credentials = unquote_to_bytes(f"{url.username}:{url.password or ''}")
        return {"Proxy-Authorization": f"Basic {b64encode(credentials).decode()}"} if url.username else {}

    def build_response(self, req: PreparedRequest, resp: Any) -> Response:
        """Return the response to a request. That of requests also parses cookies, of which none is kept."""
        response = Response()
        response.status_code, response.headers, response.raw = resp.status, CaseInsensitiveDict(resp.headers), resp
        response.request = req
        return response

    def cert_verify(self, *arguments: Any) -> None:
        """Leave the trust to the context: requests adds the authorities of certifi to it."""
