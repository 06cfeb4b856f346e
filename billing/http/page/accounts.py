"""Screens of the account: registering in three steps, signing in, the card, one's data, leaving."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Response
from fastapi.responses import RedirectResponse

from billing.db.shoppers import Shopper
from billing.errors import AccountBusy, CardDeclined, GatewayRefused, NotKnown, ShopperError
from billing.http.page.base import (
    LANGUAGE_COOKIE,
    SESSION_COOKIE,
    AnyVisitor,
    PageRoute,
    Sends,
    ShopperSends,
    Signed,
    Visitor,
    go,
    inside,
    set_cookie,
    show,
)
from billing.http.page.takeaway import takeaway
from billing.http.page.words import card_expiry, card_name
from billing.http.problems import TooManyRequests
from billing.http.system import stranger
from billing.shoppers import Signup
from billing.texts import LOCALES

router = APIRouter(route_class=PageRoute, include_in_schema=False)
_Typed = Annotated[str, Form(max_length=500)]
_Ticked = Annotated[bool, Form()]
_Next = Annotated[str, Query(max_length=300)]
_Stranger = Annotated[str, Depends(stranger)]

_NS = 10**9
_YEAR_S = 365 * 86_400
DELETE_WORDS = {"en": "DELETE", "fr": "SUPPRIMER"}
"""What is typed so that nobody deletes an account by a slip."""


@router.get("/sign-in")
def sign_in_page(who: AnyVisitor, next: _Next = "/") -> Response:  # noqa: A002 - the name in the address
    """Show the form to sign in with."""
    return go("/") if who.shopper is not None else show(who, "sign_in", next=inside(next), email="", wrong=False)


@router.post("/sign-in")
def sign_in(
    who: Sends,
    _address: _Stranger,
    email: _Typed = "",
    password: _Typed = "",
    next: _Typed = "/",  # noqa: A002
) -> Response:
    """Sign a shopper in."""
    try:
        token, ends_ns = who.page.shoppers.sign_in(email, password, who.at_ns)
    except NotKnown:
        return show(who, "sign_in", 401, next=inside(next), email=email, wrong=True)
    return _signed_in(who, token, ends_ns, inside(next))


@router.post("/sign-out")
def sign_out(who: Sends) -> Response:
    """End the session of this phone."""
    who.page.shoppers.sign_out(who.token)
    response = go("/")
    response.delete_cookie(SESSION_COOKIE, path="/")
    return response


@router.get("/register")
def register_page(who: AnyVisitor) -> Response:
    """Show the first step: the account."""
    if who.shopper is not None:
        return go("/register/card" if who.shopper.card is None else "/")
    return show(who, "register", email="", name="", is_member=True, flaws={})


@router.post("/register")
def register(
    who: Sends,
    _address: _Stranger,
    email: _Typed = "",
    password: _Typed = "",
    name: _Typed = "",
    is_member: _Ticked = False,
) -> Response:
    """Make an account and sign its owner in."""
    try:
        signup = Signup(email, password, name, who.texts.locale, is_member)
        new = who.page.shoppers.register(signup, who.at_ns)
    except ShopperError as error:
        return show(who, "register", 422, email=email, name=name, is_member=is_member, flaws=error.flaws)
    token, ends_ns = who.page.shoppers.start_session(new.shopper_id, who.at_ns)
    return _signed_in(who, token, ends_ns, "/register/card")


@router.get("/register/card")
def card_step(who: Signed) -> Response:
    """Show the second step: the card."""
    return go("/") if who.me.card is not None else show(who, "card_step", problem="")


@router.get("/card/begin")
def begin_card(who: Signed) -> Response:
    """Send the browser to the gateway's own form."""
    form = who.page.shoppers.begin_card(who.me.shopper_id, f"{who.page.url}/card/back")
    return RedirectResponse(form.url, 303)


@router.get("/card/back")
def back_from_card(who: Signed) -> Response:
    """Ask the gateway what came of its form."""
    had_card = who.me.card is not None
    try:
        card = who.page.shoppers.finish_card(who.me.shopper_id, who.at_ns)
    except (CardDeclined, GatewayRefused):
        return _card_problem(who, "declined")
    except AccountBusy as error:
        return _card_problem(who, error.flaws["account"])
    if card is None:
        return _card_problem(who, "unfinished")
    return go("/account?done=card") if had_card else show(who, "done", card=card_name(card), expiry=card_expiry(card))


@router.get("/account")
def account_page(who: Signed, done: Annotated[str, Query(max_length=20)] = "") -> Response:
    """Show the account."""
    return _account(who, who.me, done=done)


@router.post("/account")
def change_account(
    who: ShopperSends,
    email: _Typed = "",
    name: _Typed = "",
    locale: _Typed = "en",
    is_member: _Ticked = False,
) -> Response:
    """Change name, e-mail, language or membership."""
    try:
        who.page.shoppers.change(
            who.me.shopper_id,
            email=email,
            name=name,
            locale=locale if locale in LOCALES else who.me.locale,
            is_member=is_member,
        )
    except ShopperError as error:
        return _account(who, who.me, status=422, flaws=error.flaws)
    return go("/account?done=details")


@router.post("/account/password")
def change_password(who: ShopperSends, old: _Typed = "", password: _Typed = "") -> Response:
    """Change the password; other phones are signed out."""
    wait_s = who.parts.strangers.wait_s(f"password {who.me.shopper_id}", who.at_ns)
    if wait_s > 0:
        raise TooManyRequests(wait_s)
    try:
        who.page.shoppers.change_password(who.me.shopper_id, old, password, who.token)
    except ShopperError as error:
        return _account(who, who.me, status=422, flaws=error.flaws)
    return go("/account?done=password")


@router.get("/account/password")
def password_page(_who: Signed) -> Response:
    """Lead back to the form, for whoever loads the answer to it again."""
    return go("/account")


@router.get("/account/data.json")
def data(who: Signed) -> Response:
    """Give a shopper everything that is kept about them."""
    body = takeaway(who.parts.store, who.me, who.at_ns).model_dump_json(indent=1)
    name = {"Content-Disposition": 'attachment; filename="my-data.json"'}
    return Response(body, media_type="application/json", headers=name)


@router.get("/account/delete")
def delete_page(who: Signed) -> Response:
    """Warn, and ask for a word."""
    return _delete_page(who, "")


@router.post("/account/delete")
def delete(who: ShopperSends, word: _Typed = "") -> Response:
    """Delete the account, if the word was typed."""
    if word.strip().upper() != DELETE_WORDS[who.texts.locale]:
        return _delete_page(who, "word", 422)
    try:
        who.page.shoppers.delete(who.me.shopper_id, who.at_ns)
    except AccountBusy as error:
        return _delete_page(who, error.flaws["account"], 409)
    response = go("/goodbye")
    response.delete_cookie(SESSION_COOKIE, path="/")
    set_cookie(who.page, response, LANGUAGE_COOKIE, who.texts.locale, _YEAR_S)
    return response


@router.get("/goodbye")
def goodbye(who: AnyVisitor) -> Response:
    """Say that the account is gone."""
    return show(who, "goodbye")


@router.post("/language")
def choose_language(who: Sends, locale: _Typed = "en", path: _Typed = "/") -> Response:
    """Show the page in another language from now on."""
    response = go(inside(path))
    if locale in LOCALES:
        set_cookie(who.page, response, LANGUAGE_COOKIE, locale, _YEAR_S)
        if who.shopper is not None and who.shopper.email is not None:
            me = who.shopper
            who.page.shoppers.change(
                me.shopper_id, email=who.shopper.email, name=me.name or "", locale=locale, is_member=me.is_member
            )
    return response


def _signed_in(who: Visitor, token: str, ends_ns: int, path: str) -> Response:
    response = go(path)
    set_cookie(who.page, response, SESSION_COOKIE, token, (ends_ns - who.at_ns) // _NS)
    return response


def _card_problem(who: Visitor, problem: str) -> Response:
    if who.me.card is None:
        return show(who, "card_step", problem=problem)
    return _account(who, who.me, problem=problem)


def _account(
    who: Visitor,
    me: Shopper,
    *,
    status: int = 200,
    done: str = "",
    flaws: dict[str, str] | None = None,
    problem: str = "",
) -> Response:
    card = None if me.card is None else f"{card_name(me.card)}, {card_expiry(me.card)}"
    return show(who, "account", status, me=me, card=card, done=done, flaws=flaws or {}, problem=problem)


def _delete_page(who: Visitor, problem: str, status: int = 200) -> Response:
    return show(who, "delete", status, word=DELETE_WORDS[who.texts.locale], problem=problem)
