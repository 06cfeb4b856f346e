"""``tillfree reviews``: what a store that runs asks its operators."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from store_layout.errors import InputError
from tillfree.live.client import NODE_URL, NodeClient

reviews_app = typer.Typer(no_args_is_help=True, add_completion=False, help="Questions to operators.")

Url = Annotated[str, typer.Option(help="Where the store's machine listens; its key is in TILLFREE_NODE_KEY.")]


@reviews_app.command("list")
def list_reviews(url: Url = NODE_URL) -> None:
    """List the open reviews with their numbered answers."""
    with closing(NodeClient(url)) as client:
        found, alerts = client.reviews(), client.alerts()
    console = Console()
    for alert in alerts:
        whose = f"{alert['visit_id']}: " if alert["visit_id"] else ""
        console.print(Text(f"{alert['at'][:19]}Z  {whose}{alert['detail']}", style="yellow"))
    if not found:
        console.print("Nothing is asked.")
        return
    table = Table("review", "age", "visit", "reason", "answers", "unanswered")
    for review in found:
        answers = "\n".join(f"{each['number']}  {_words(each)}" for each in review["candidates"])
        visits = ", ".join(review["visit_ids"]) or "nobody's"
        table.add_row(
            review["review_id"], f"{review['age_s']:.0f} s", visits, review["reason"], answers, _timeout(review)
        )
    console.print(table)


@reviews_app.command("answer")
def answer_review(
    review: Annotated[str, typer.Argument(help="The review, such as review-000001.", show_default=False)],
    candidate: Annotated[
        int | None, typer.Argument(metavar="[N]", help="The number of an answer in the list.", show_default=False)
    ] = None,
    sku: Annotated[str | None, typer.Option(help="The product it was.", show_default=False)] = None,
    quantity: Annotated[int, typer.Option(min=-100, max=100, help="Units taken; negative: put back.")] = 1,
    visit: Annotated[str | None, typer.Option(help="Whose it is; nobody's without.", show_default=False)] = None,
    nothing: Annotated[bool, typer.Option("--nothing", help="Nothing happened.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    url: Url = NODE_URL,
) -> None:
    """Answer a review: by a number of the list, by --sku with --quantity and --visit, or with --nothing."""
    if sum((candidate is not None, sku is not None, nothing)) != 1:
        mend = "give a number of `tillfree reviews list`, or --sku, or --nothing"
        raise InputError("a review has one answer", field="REVIEW", mend=mend)
    if visit is not None and sku is None:
        raise InputError("a visit needs a product", field="--visit", mend="give --sku, or the number of an answer")
    with closing(NodeClient(url)) as client:
        said = _said(client, review, candidate, sku, quantity, visit)
        if not yes:
            typer.confirm(f"{review}: {said}?", abort=True)
        if candidate is not None:
            client.answer(review, candidate=candidate)
        elif sku is not None:
            client.answer(review, sku=sku, quantity=quantity, visit_id=visit)
        else:
            client.answer(review)
    typer.echo(f"{review}: {said}")


def _said(
    client: NodeClient, review_id: str, candidate: int | None, sku: str | None, quantity: int, visit: str | None
) -> str:
    """Return an answer in words. Raises InputError for a number that the review does not have."""
    if candidate is None:
        return _words({"visit_id": visit, "sku": sku, "quantity": quantity, "probability": None})
    review = next((each for each in client.reviews() if each["review_id"] == review_id), None)
    if review is None:
        raise InputError(f"review {review_id!r} is not open", field="REVIEW", mend="see `tillfree reviews list`")
    options = {each["number"]: each for each in review["candidates"]}
    if candidate not in options:
        raise InputError(f"{review_id} has no answer {candidate}", field="N", mend=f"choose 1 to {len(options)}")
    return _words(options[candidate])


def _words(answer: dict[str, Any]) -> str:
    if answer["sku"] is None:
        return "nothing happened"
    done = "took" if answer["quantity"] > 0 else "put back"
    sure = "" if answer["probability"] is None else f" ({answer['probability']:.0%})"
    return f"{answer['visit_id'] or 'nobody'} {done} {abs(answer['quantity'])} × {answer['sku']}{sure}"


def _timeout(review: dict[str, Any]) -> str:
    names = {"visit_id": "timeout_visit_id", "sku": "timeout_sku", "quantity": "timeout_quantity"}
    return _words({name: review[there] for name, there in names.items()} | {"probability": None})
