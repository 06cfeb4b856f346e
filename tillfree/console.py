"""What a replay shows in the terminal while it runs, and the receipts at its end."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from billing.money import Money, format_money
from billing.types import ChargeState, Receipt
from tillfree.folds import StoreFold, VisitRecord, visit_state
from tillfree.replay import ReplayResult


class _Speed(TextColumn):
    """Frames a second so far."""

    def __init__(self) -> None:
        super().__init__("{task.speed}")

    def render(self, task: object) -> Text:
        speed = getattr(task, "speed", None)
        return Text(f"{speed:.0f} frames/s" if speed else "", style="cyan")


class ReplayScreen:
    """A progress bar with frames a second and time left, and the carts as a table, while a replay runs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("[bold]replay"),
            BarColumn(),
            MofNCompleteColumn(),
            _Speed(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._progress.add_task("replay", total=None)
        self._live = Live(self._progress, console=console, refresh_per_second=4)
        self._shown = -1

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def started(self, frame_count: int, notices: Sequence[str]) -> None:
        """Set the bar's length and print the notices above it."""
        self._progress.update(self._task, total=frame_count)
        for notice in notices:
            self._live.console.print(f"[yellow]note:[/] {notice}", highlight=False)

    def advanced(self, frames: int, fold: StoreFold) -> None:
        """Move the bar; draw the carts anew when one changed."""
        self._progress.advance(self._task, frames)
        changes = len(fold.cart_events) + len(fold.visits)
        if changes != self._shown:
            self._shown = changes
            self._live.update(Group(carts_table(fold), self._progress))

    def finished(self, fold: StoreFold) -> None:
        """Fill the bar."""
        del fold
        self._progress.update(self._task, total=self._progress.tasks[0].completed)
        self._live.update(self._progress)


def carts_table(fold: StoreFold) -> Table:
    """Return the carts as they stand."""
    table = Table(title=None, box=None, pad_edge=False)
    for column in ("visit", "cart", "state"):
        table.add_column(column, style="bold" if column == "visit" else None)
    for visit in fold.visits.values():
        held = ", ".join(f"{line.quantity} × {line.sku}" for line in visit.lines) or "[dim]empty[/]"
        table.add_row(visit.visit_id, held, visit_state(visit))
    return table


def show_receipts(console: Console, result: ReplayResult) -> None:
    """Print every receipt with its charge, what nobody answers for, and where the files are."""
    for visit in result.fold.visits.values():
        receipt = result.receipts.get(visit.visit_id)
        if receipt is not None:
            console.print(receipt_table(visit, receipt))
    if not result.fold.visits:
        console.print("No visit was opened: nobody scanned at a gate.")
    for event in result.fold.cart_events:
        if event.visit_id is None:
            what = f"{abs(event.quantity_delta)} × {event.sku} {event.kind}"
            console.print(f"[yellow]nobody's:[/] {what} by a person without a visit", highlight=False)
    if result.late_count:
        console.print(f"[yellow]note:[/] {result.late_count} frames came too late and were left out")
    for name, path in result.files.items():
        console.print(f"{name:>9}: {path}", highlight=False, soft_wrap=True)


def receipt_table(visit: VisitRecord, receipt: Receipt) -> Table:
    """Return one receipt as a table."""
    table = Table(title=f"Visit {visit.number + 1}", title_justify="left", title_style="bold", show_footer=True)
    table.add_column("product", footer="total", min_width=28)
    table.add_column("quantity", justify="right")
    table.add_column("amount", justify="right", footer=format_money(receipt.total))
    for line in receipt.lines:
        table.add_row(line.name, str(line.quantity), format_money(line.amount))
    for applied in receipt.promotions:
        off = format_money(-applied.discount)
        table.add_row(Text(applied.name, style="green"), "", Text(off, style="green"))
    for tax in receipt.taxes:
        kind = "contains" if tax.inclusive else "plus"
        table.add_row(
            f"[dim]{kind} {tax.rate_percent.normalize():f} % {tax.tax_class} tax[/]",
            "",
            f"[dim]{format_money(tax.tax)}[/]",
        )
    table.caption = charge_text(visit)
    table.caption_justify = "left"
    return table


def charge_text(visit: VisitRecord) -> str:
    """Say how the charge stands."""
    charge = visit.charge
    if charge is None:
        return "not charged"
    amount = format_money(Money(charge.amount.minor, charge.amount.currency))
    said = {
        ChargeState.CAPTURED: f"[green]charged {amount}[/]",
        ChargeState.DECLINED: f"[red]declined: {charge.decline_reason}[/]",
        ChargeState.UNKNOWN: "[yellow]the gateway's answer is not known yet[/]",
        ChargeState.NEEDS_SHOPPER: "[yellow]the shopper must authenticate the payment[/]",
        ChargeState.VOID: "nothing to pay",
        ChargeState.WAIVED: f"waived: {amount} is less than the gateway takes",
    }
    reviewed = ", after a review that nobody answered in time" if visit.reviewed else ""
    return said[charge.state] + reviewed
