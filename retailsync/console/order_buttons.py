"""What people press on an order besides holding, reshipping and giving up units. Knows how to ask and to answer, not what follows."""

from collections.abc import Callable, Mapping

from django.http import HttpResponse

from canonical.models import Order
from retailsync.console import words
from retailsync.console.addresses import AddressForm
from retailsync.console.base import Request
from retailsync.console.typednumber import number
from retailsync.sync import order_deciding, resending
from retailsync.sync.deciding import NotPossible


class OrderButtons:
    """Views of the order's page; each takes a reason, and is carried out by `_decide`."""

    _decide: Callable[[Request, int, str, Callable[[str], str | None]], HttpResponse]
    _decided: Callable[[Request, int, str, str], HttpResponse]

    def buttons(self) -> Mapping[str, Callable[[Request, int], HttpResponse]]:
        """Name → view."""
        return {
            "lift": self.lift, "cancel": self.cancel, "resend": self.resend, "readdress": self.readdress, "outside": self.outside,
        }  # fmt: skip

    def lift(self, request: Request, pk: int) -> HttpResponse:
        """Let it go on: one hold is lifted, or all."""
        typed = request.POST.getlist("hold")
        chosen = [number(text) for text in typed if text]  # an empty one stands for all

        def decide(why: str) -> str:
            if not typed or not all(chosen):
                raise NotPossible("choose one of the order's holds, or all of them.")
            back = order_deciding.lift(pk, chosen, _who(request), why)
            return f"Lifted. It came back at once, because it is still so: {' '.join(back)}" if back else ""

        done = "Lifted: the order goes on, as far as nothing else holds it."
        return self._decide(request, pk, done, decide)

    def cancel(self, request: Request, pk: int) -> HttpResponse:
        """Cancel what is left of it."""

        def decide(why: str) -> str:
            told = order_deciding.cancel(pk, _who(request), why)
            shop = "its shop is told" if told else "its shop is not told, so set it there as it should be"
            return f"The order is cancelled as far as it did not leave; {shop}. Money is given back in the shop."

        return self._decide(request, pk, "", decide)

    def resend(self, request: Request, pk: int) -> HttpResponse:
        """Send one command once more."""
        command = number(request.POST.get("command", ""))

        def decide(why: str) -> str:
            row = resending.resend(pk, command, _who(request), why)
            return f"{words.plain(row.kind)} #{row.pk} is sent to {row.system.name} once more. What is there already is not made twice."

        return self._decide(request, pk, "", decide)

    def readdress(self, request: Request, pk: int) -> HttpResponse:
        """Send it elsewhere. Only for who may see addresses."""
        order = Order.objects.select_related("shipping").filter(pk=pk).first()
        form = AddressForm(request.POST)
        if order is None or not request.user.has_perm("canonical.view_customer"):
            return self._decided(request, pk, "", "you may not see this order's address.")
        if not form.is_valid():
            field, (trouble, *_) = next(iter(form.errors.items()))
            return self._decided(request, pk, "", f"{form.fields[field].label}: {trouble}")
        address = form.address(order_deciding.shipping_of(order))
        done = (
            "It goes to the new address. A warehouse that knows the order is asked to change it; ERP and label follow."
        )
        return self._decide(
            request, pk, done, lambda why: order_deciding.change_address(pk, address, _who(request), why)
        )

    def outside(self, request: Request, pk: int) -> HttpResponse:
        """The rest is settled outside."""

        def decide(why: str) -> str:
            still = order_deciding.settle_outside(pk, _who(request), why)
            return (
                f"Settled as far as can be. Still open: {still}, which must be looked at one by one." if still else ""
            )

        return self._decide(request, pk, "The rest of it counts as settled outside.", decide)


def _who(request: Request) -> str:
    return str(request.user.get_username())
