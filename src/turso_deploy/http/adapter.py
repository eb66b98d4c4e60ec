"""The adapter of requests for one server: its connections keep a total deadline and the trust of this machine."""

from __future__ import annotations

import ssl
from base64 import b64encode
from typing import Any

from requests.adapters import HTTPAdapter
from requests.utils import get_auth_from_url

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
        """Return the header with the credentials for a proxy; requests encodes only those of Latin-1."""
        user, password = get_auth_from_url(proxy)
        return {"Proxy-Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"} if user else {}

    def cert_verify(self, *arguments: Any) -> None:
        """Leave the trust to the context: requests adds the authorities of certifi to it."""
