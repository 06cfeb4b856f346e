"""Webhooks by httpx2. Nothing else in billing knows it.

Each message has a connection of its own: nothing lingers from one endpoint to the next. Redirects are not followed, and
the body of the answer is not read. The system's proxy settings are not looked at; a proxy is passed in.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping

import httpx2

from billing.errors import DeliveryError

_USER_AGENT = "tillfree-webhooks"


class HttpxSender:
    """A ``Sender`` for https and http."""

    def __init__(self, proxy: str | None = None, context: ssl.SSLContext | None = None) -> None:
        """``proxy`` is the URL of what all goes through; ``context`` says whom to trust in place of the public CAs."""
        self._proxy = proxy
        self._context = context or httpx2.create_ssl_context(trust_env=False)

    def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> int:
        """See ``Sender.post``. ``timeout_s`` bounds all of it together, but for the look-up of the name.

        That is the system's, and has bounds of its own.
        """
        # httpx2 bounds each read, so one who answers a byte at a time would never end; asyncio bounds the whole.
        return asyncio.run(self._post(url, {"user-agent": _USER_AGENT, **headers}, body, timeout_s))

    async def _post(self, url: str, headers: dict[str, str], body: bytes, timeout_s: float) -> int:
        try:
            async with (
                asyncio.timeout(timeout_s),
                httpx2.AsyncClient(
                    verify=self._context, proxy=self._proxy, timeout=timeout_s, trust_env=False, follow_redirects=False
                ) as client,
                client.stream("POST", url, headers=headers, content=body) as response,
            ):
                return response.status_code
        except (TimeoutError, httpx2.TimeoutException) as fault:
            raise DeliveryError(f"no answer within {timeout_s:g} s") from fault
        except (
            httpx2.HTTPError,
            httpx2.InvalidURL,
            OSError,
            UnicodeError,
        ) as fault:  # UnicodeError: a name no DNS takes
            raise DeliveryError(f"{type(fault).__name__}: {fault}") from fault
