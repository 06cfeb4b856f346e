"""Runs localstripe (GPL-3.0, not part of this project) on the port named, with what its API is too old for.

Missing in 1.15: ``allowed_payment_method_types``, filters of lists, metadata of a capture, reasons of a cancellation,
search.
"""

from __future__ import annotations

import sys
from typing import Any

from aiohttp import web
from localstripe import resources, server

_create = resources.PaymentIntent._api_create.__func__
_capture = resources.PaymentIntent._api_capture.__func__
_cancel = resources.PaymentIntent._api_cancel.__func__
_list = resources.StripeObject._api_list_all.__func__


def create(cls: Any, allowed_payment_method_types: object = None, **given: Any) -> Any:
    return _create(cls, **given)


def capture(cls: Any, id: str, metadata: dict[str, str], **given: Any) -> Any:  # noqa: A002 (localstripe's name)
    intent = _capture(cls, id, **given)
    intent.metadata.update(metadata)
    return intent


def cancel(cls: Any, id: str, cancellation_reason: str | None = None, **given: Any) -> Any:  # noqa: A002
    intent = _cancel(cls, id, **given)
    intent.cancellation_reason = cancellation_reason
    return intent


def searched(cls: Any, query: str, **given: Any) -> Any:
    """Find nothing: a search that is behind."""
    return resources.List("/v1/payment_intents/search")


def listed(cls: Any, url: str, customer: str | None = None, created: object = None, **given: Any) -> Any:
    found = _list(cls, url, **given)
    found._list = [each for each in found._list if customer in (None, each.customer)]
    return found


def main() -> None:
    """Serve; the first line of its output says that it does."""
    resources.Store.dump_to_disk = lambda store: None  # it would keep its books in /tmp
    resources.PaymentIntent._api_create = classmethod(create)
    resources.PaymentIntent._api_capture = classmethod(capture)
    resources.PaymentIntent._api_list_all = classmethod(listed)
    app = web.Application(middlewares=[server.error_middleware, server.auth_middleware])
    resources.PaymentIntent._api_cancel = classmethod(cancel)
    resources.PaymentIntent._api_search = classmethod(searched)
    resources.PaymentIntent.cancellation_reason = None
    search, intent = "/v1/payment_intents/search", "/v1/payment_intents/{id}"
    app.router.add_get(search, server.api_extra(resources.PaymentIntent._api_search, search))
    changed = {f"{intent}/{verb}": getattr(resources.PaymentIntent, f"_api_{verb}") for verb in ("capture", "cancel")}
    for path, done in changed.items():
        app.router.add_post(path, server.api_extra(done, path))
    for route in server.app.router.routes():
        path = route.resource.canonical
        if route.method != "HEAD" and path not in changed:
            app.router.add_route(route.method, path, route.handler)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]))


if __name__ == "__main__":
    main()
