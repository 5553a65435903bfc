"""What Odoo's warehouse does by itself: transfers step by step, backorders, deliveries that follow an order's quantities.

What an open move has got (`quantity`) is reserved where it comes from, also beyond what lies there; done, it lies where it went.
Quantities followed as seen on Odoo 19.0 with one and three steps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.odoo.simulated.places import CUSTOMERS, OUTPUT, PACKING, STOCK
from connectors.odoo.simulated.quants import Quants
from connectors.odoo.simulated.records import Record, Records, user_error

#: Steps of a delivery: name, kind of transfer, from where, to where.
CHAINS: Mapping[str, Sequence[tuple[str, str, int, int]]] = {
    "ship_only": [("OUT", "outgoing", STOCK, CUSTOMERS)],
    "pick_pack_ship": [
        ("PICK", "internal", STOCK, PACKING), ("PACK", "internal", PACKING, OUTPUT), ("OUT", "outgoing", OUTPUT, CUSTOMERS),
    ],
}  # fmt: skip
CLOSED = ("done", "cancel")
SHORT = ("confirmed", "partially_available")  # states of a move that wants more than it has got
BACK = "back"  # the step of a transfer that takes goods back to the shelf


@dataclass(frozen=True, slots=True)
class Need:
    """So much of an article for an order line, brought by earlier moves."""

    product: int
    line: int
    quantity: float
    origins: Sequence[int] = ()


class Stock:
    """Transfers over records. `steps` is the warehouse's."""

    def __init__(self, records: Records, steps: str) -> None:
        self.records, self.chain = records, CHAINS[steps]
        self.quants = Quants(records)
        self._short = {id for id, move in records.store.table("stock.move").items() if move["state"] in SHORT}

    # -- reading
    def moves(self, picking: Record, *, opened: bool = True) -> list[Record]:
        """The moves of a transfer."""
        rows = [self.records.get("stock.move", id) for id in picking["move_ids"]]
        return [row for row in rows if not opened or row["state"] not in CLOSED]

    def _pickings(self, order: int) -> list[Record]:
        return [self.records.get("stock.picking", id) for id in self.records.get("sale.order", order)["picking_ids"]]

    def _open_moves(self, order: int, line: int, step: int) -> list[Record]:
        """Open moves of a line in one step of the chain, the latest first."""
        pickings = [p for p in self._pickings(order) if p["step"] == str(step)]
        return [m for p in reversed(pickings) for m in reversed(self.moves(p)) if m["sale_line_id"] == line]

    # -- following an order
    def follow(self, order: int, line: Record) -> None:
        """Make what is on its way to the customer what the line says: more starts at the shelf, less ends where it is open."""
        if line["display_type"] or self.records.get("product.product", line["product_id"])["type"] == "service":
            return
        change = line["product_uom_qty"] - self._under_way(order, line["id"])
        if change > 0:
            self._more(order, Need(line["product_id"], line["id"], change))
        elif change < 0:
            self._less(order, line["id"], -change)

    def _under_way(self, order: int, line: int) -> float:
        """Units of a line that reached the customer or are on their way: delivered ones, and open ones of every step."""
        moves = [(p, m) for p in self._pickings(order) if p["step"] != BACK for m in self.moves(p, opened=False)]
        mine = [(p, m) for p, m in moves if m["sale_line_id"] == line]
        delivered = sum(m["quantity"] for p, m in mine if m["state"] == "done" and p["picking_type_code"] == "outgoing")
        return float(delivered + sum(m["product_uom_qty"] for _, m in mine if m["state"] not in CLOSED))

    def _more(self, order: int, need: Need) -> None:
        """Onto the open move of the line at the shelf, else a move in an open transfer there, else a new transfer."""
        opened = self._open_moves(order, need.line, 0)
        if opened:
            self._set(opened[0], opened[0]["product_uom_qty"] + need.quantity)
            return
        pickings = [p for p in self._pickings(order) if p["step"] == "0" and p["state"] not in CLOSED]
        if pickings:
            self._move(pickings[-1], need)
        else:
            self.transfer(order, 0, [need])

    def _less(self, order: int, line: int, units: float) -> None:
        """From the shelf's open moves first; what was picked already is taken from its step and brought back."""
        for step in range(len(self.chain)):
            for move in self._open_moves(order, line, step):
                taken = min(units, move["product_uom_qty"])
                if taken:
                    self._set(move, move["product_uom_qty"] - taken)
                    self._bring_back(order, Need(move["product_id"], line, taken), step)
                    units -= taken

    def _set(self, move: Record, quantity: float) -> None:
        """A demand that became nothing is a cancelled move, and a transfer of only such is cancelled."""
        self.set_move(move["id"], {"product_uom_qty": quantity, **self._got(move, quantity)})
        picking = self.records.get("stock.picking", move["picking_id"])
        if all(m["state"] == "cancel" for m in self.moves(picking, opened=False)):
            self.records.write("stock.picking", picking["id"], {"state": "cancel"})
        else:
            self._ready(picking["id"])

    def _got(self, move: Record, wanted: float) -> dict[str, Any]:
        """How much of what it wants a move gets from where it takes it, and the state that follows. One that waits gets nothing yet."""
        if not wanted:
            return {"quantity": 0.0, "state": "cancel"}
        if move["state"] == "waiting":
            return {"quantity": 0.0}
        got = min(wanted, move["quantity"] + self.quants.free(move["product_id"], move["location_id"]))
        return {
            "quantity": got,
            "state": "assigned" if got == wanted else "partially_available" if got else "confirmed",
        }

    def _ready(self, picking: int) -> None:
        """An open transfer is ready as soon as anything of it is reserved."""
        if not picking:
            return
        row = self.records.get("stock.picking", picking)
        states = {move["state"] for move in self.moves(row)}
        if row["state"] in ("assigned", "confirmed") and states:
            state = "assigned" if states & {"assigned", "partially_available"} else "confirmed"
            self.records.write("stock.picking", picking, {"state": state})

    def _bring_back(self, order: int, need: Need, step: int) -> None:
        """Transfers from where a step would have taken the goods back to the shelf; each waits for the one before it."""
        state, origins = "assigned" if step == 1 else "waiting", need.origins
        for code, _, goal, source in reversed(self.chain[:step]):
            picking = self._picking(order, (code, "internal", source, goal), BACK, state)
            origins = [self._move(picking, Need(need.product, need.line, need.quantity, origins))]

    # -- transfers
    def transfer(self, order: int, step: int, needs: Sequence[Need]) -> None:
        """A transfer of one step of the chain, everything reserved."""
        picking = self._picking(order, self.chain[step], str(step), "assigned")
        for need in needs:
            self._move(picking, need)

    def _picking(self, order: int, leg: tuple[str, str, int, int], step: str, state: str) -> Record:
        code, kind, source, goal = leg
        row = self.records.get("sale.order", order)
        number = self.records.store.next(f"stock.picking.{code}")
        id = self.records.create("stock.picking", {
            "name": f"WH/{code}/{number:05d}", "state": state, "picking_type_code": kind, "sale_id": order, "origin": row["name"],
            "partner_id": row["partner_shipping_id"], "location_id": source, "location_dest_id": goal, "step": step,
        })  # fmt: skip
        self.records.write("sale.order", order, {"picking_ids": [*row["picking_ids"], id]})
        return self.records.get("stock.picking", id)

    def _move(self, picking: Record, need: Need) -> int:
        id = self.records.create("stock.move", {
            "picking_id": picking["id"], "product_id": need.product, "sale_line_id": need.line, "product_uom_qty": need.quantity,
            "state": "waiting" if picking["state"] == "waiting" else "confirmed", "location_id": picking["location_id"],
            "location_dest_id": picking["location_dest_id"], "move_orig_ids": list(need.origins),
        })  # fmt: skip
        held = self.records.get("stock.picking", picking["id"])["move_ids"]
        self.records.write("stock.picking", picking["id"], {"move_ids": [*held, id]})
        self.set_move(id, self._got(self.records.get("stock.move", id), need.quantity))
        self._ready(picking["id"])
        return id

    def set_move(self, id: int, values: Mapping[str, Any]) -> None:
        """Change a move, and what is reserved for it where it takes its goods from."""
        move = self.records.get("stock.move", id)
        self._reserve(move, -1)
        self.records.write("stock.move", id, values)
        self._reserve(move, +1)
        (self._short.add if move["state"] in SHORT else self._short.discard)(id)

    def _reserve(self, move: Record, sign: int) -> None:
        if move["state"] not in CLOSED:
            self.quants.change(move["product_id"], move["location_id"], reserved=sign * move["quantity"])

    # -- transfers that deliver no order
    def create_picking(self, values: Mapping[str, Any]) -> int:
        """A transfer as somebody makes it: a draft of its kind."""
        kind = self.records.get("stock.picking.type", values["picking_type_id"])
        warehouse, letters = self.records.get("stock.warehouse", kind["warehouse_id"])["code"], kind["sequence_code"]
        name = f"{warehouse}/{letters}/{self.records.store.next(f'stock.picking.{warehouse}.{letters}'):05d}"
        head = {"name": name, "state": "draft", "picking_type_code": kind["code"]}
        return self.records.create("stock.picking", {**head, **values})

    def create_move(self, values: Mapping[str, Any]) -> int:
        """A move of such a transfer. One that is stated with its quantity has got it, whatever lies there."""
        quantity = values.get("quantity", 0.0)
        id = self.records.create("stock.move", {"state": "draft", **values, "quantity": 0.0})
        picking = self.records.get("stock.picking", values["picking_id"])
        self.records.write("stock.picking", picking["id"], {"move_ids": [*picking["move_ids"], id]})
        if quantity:
            self.set_move(id, {"quantity": quantity, "state": "assigned"})
            self.records.write("stock.picking", picking["id"], {"state": "assigned"})
        return id

    def carry(self, move: Record) -> None:
        """A move is done: its reservation ends, and its goods lie elsewhere."""
        self.set_move(move["id"], {"state": "done", "product_uom_qty": move["quantity"]})
        self.quants.change(move["product_id"], move["location_id"], quantity=-move["quantity"])
        self.quants.change(move["product_id"], move["location_dest_id"], quantity=move["quantity"])
        self._take_back(move["product_id"], move["location_id"])
        self._hand_out(move["product_id"], move["location_dest_id"])

    def _take_back(self, product: int, location: int) -> None:
        """What left was promised to others: the latest of them get less (`_free_reservation`)."""
        over = self.quants.over(product, location)
        moves = self.records.store.table("stock.move").values() if over > 0 else ()
        there = [m for m in moves if (m["product_id"], m["location_id"], m["picked"]) == (product, location, False)]
        for move in reversed([m for m in there if m["state"] not in CLOSED and m["quantity"]]):
            left = move["quantity"] - min(over, move["quantity"])
            over -= move["quantity"] - left
            self.set_move(move["id"], {"quantity": left, "state": _state(left, move["product_uom_qty"])})
            self._ready(move["picking_id"])

    def _hand_out(self, product: int, location: int) -> None:
        """What came is promised to those who wait for it, in their order (`_trigger_assign`)."""
        for id in sorted(self._short):
            move = self.records.get("stock.move", id)
            if (move["product_id"], move["location_id"]) == (product, location):
                self.set_move(id, self._got(move, move["product_uom_qty"]))
                self._ready(move["picking_id"])

    def validate(self, ids: Sequence[int], context: Mapping[str, Any]) -> Any:
        """button_validate: true, or the question about a backorder when something is short and nobody answered it in advance."""
        pickings = [p for p in (self.records.get("stock.picking", id) for id in ids) if p["state"] != "done"]
        for picking in pickings:
            self._pick(picking)
        short = [p["id"] for p in pickings if any(_is_short(m) for m in self.moves(p))]
        if short and not context.get("skip_backorder"):
            return _question(ids, short)
        for picking in pickings:
            self._do(picking, keep=picking["id"] not in context.get("picking_ids_not_to_backorder", ()))
        return True

    def _pick(self, picking: Record) -> None:
        """Nothing picked explicitly means everything with a quantity is; nothing at all is an error."""
        moves = self.moves(picking)
        if not any(m["quantity"] for m in moves):
            raise user_error("Transfer trouble alert! Validating a zero quantity transfer?")
        if not any(m["picked"] for m in moves):
            for move in moves:
                self.set_move(move["id"], {"picked": True})

    def _do(self, picking: Record, *, keep: bool) -> None:
        """Move what was picked; the rest goes on a backorder, or is cancelled."""
        done = [m for m in self.moves(picking) if m["picked"] and m["quantity"] > 0]
        rest = [m for m in self.moves(picking) if m not in done]
        over = [(m, m["product_uom_qty"] - m["quantity"]) for m in done if m["quantity"] < m["product_uom_qty"]]
        for move in done:
            self.carry(move)
        if keep and (rest or over):
            self._backorder(picking, rest, over)
        for move in () if keep else rest:
            self.set_move(move["id"], {"state": "cancel", "quantity": 0.0})
        self.records.write("stock.picking", picking["id"], {"state": "done", "date_done": self.records.clock()})
        self._arrived(picking, done)
        self.quants.tidy()

    def _backorder(self, picking: Record, rest: Sequence[Record], over: Sequence[tuple[Record, float]]) -> None:
        """A transfer for what is left. It inherits the note, not the tracking number."""
        leg = (
            picking["name"].split("/")[1],
            picking["picking_type_code"],
            picking["location_id"],
            picking["location_dest_id"],
        )
        backorder = self._picking(picking["sale_id"], leg, picking["step"], "assigned")
        kept = [m["id"] for m in self.moves(picking, opened=False) if m not in rest]
        for move in rest:
            self.set_move(move["id"], {"picking_id": backorder["id"], "picked": False})
        self.records.write("stock.picking", picking["id"], {"move_ids": kept})
        values = {"move_ids": [m["id"] for m in rest], "note": picking["note"], "backorder_id": picking["id"]}
        self.records.write("stock.picking", backorder["id"], values)
        self._ready(backorder["id"])
        for move, quantity in over:
            self._move(backorder, Need(move["product_id"], move["sale_line_id"], quantity, move["move_orig_ids"]))

    def _arrived(self, picking: Record, done: Sequence[Record]) -> None:
        """Goods that reached the customer are delivered; others wait in the next transfer of the chain, or lie on the shelf again."""
        if picking["step"] == BACK or not picking["sale_id"]:
            return
        if picking["picking_type_code"] != "outgoing":
            needs = [Need(m["product_id"], m["sale_line_id"], m["quantity"], [m["id"]]) for m in done]
            self.transfer(picking["sale_id"], int(picking["step"]) + 1, needs)
            return
        for move in done:
            line = self.records.get("sale.order.line", move["sale_line_id"])
            values = {"qty_delivered": line["qty_delivered"] + move["quantity"]}
            self.records.write("sale.order.line", line["id"], values)

    def unreserve(self, ids: Sequence[int]) -> None:
        """do_unreserve."""
        for id in ids:
            for move in self.moves(self.records.get("stock.picking", id)):
                self.set_move(move["id"], {"quantity": 0.0, "picked": False, "state": "confirmed"})

    def cancel(self, ids: Sequence[int]) -> bool:
        """action_cancel on transfers: those that are done stay as they are."""
        for id in ids:
            picking = self.records.get("stock.picking", id)
            if picking["state"] == "done":
                raise user_error(
                    "You cannot cancel a stock move that has been set to 'Done'. Create a return in order to reverse it."
                )
            for move in self.moves(picking):
                self.set_move(move["id"], {"state": "cancel", "quantity": 0.0})
            self.records.write("stock.picking", id, {"state": "cancel"})
        return True

    def write(self, id: int, values: Mapping[str, Any]) -> None:
        """Change a transfer and, by commands (1, id, values), its moves. A new place is its moves' too."""
        values = dict(values)
        for _, move, changes in values.pop("move_ids", ()):
            held = self.records.get("stock.move", move)
            if held["state"] == "cancel" and "quantity" in changes:
                raise user_error("You cannot change a cancelled stock move, create a new line instead.")
            reserves = "quantity" in changes and held["state"] in (*SHORT, "assigned")
            state = {"state": _state(changes["quantity"], held["product_uom_qty"])} if reserves else {}
            self.set_move(move, {**changes, **state})
        for move in self.records.get("stock.picking", id)["move_ids"] if "location_id" in values else ():
            self.set_move(move, {"location_id": values["location_id"]})
        self.records.write("stock.picking", id, values)


def _state(got: float, wanted: float) -> str:
    """The state of an open move by what it has got."""
    return "assigned" if got >= wanted else "partially_available" if got else "confirmed"


def _is_short(move: Record) -> bool:
    return bool(not move["picked"] or move["quantity"] < move["product_uom_qty"])


def _question(ids: Sequence[int], short: Sequence[int]) -> dict[str, Any]:
    return {
        "name": "Create Backorder?", "type": "ir.actions.act_window", "view_mode": "form",
        "res_model": "stock.backorder.confirmation", "target": "new",
        "context": {"button_validate_picking_ids": list(ids), "default_pick_ids": [[4, id] for id in short]},
    }  # fmt: skip
