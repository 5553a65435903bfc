"""The simulated shop's REST API for registered customers."""

from connectors.simulation import Answer, Request
from connectors.woocommerce.simulator.records import Records
from connectors.woocommerce.simulator.views import API, Record, failure, found, listed, shown

EDITABLE = ("email", "first_name", "last_name", "billing", "shipping")


class Customers(Records):
    """Customers over REST. Guests are none."""

    def add_customer_routes(self) -> None:
        """Routes."""
        add = self.routes.add
        add("GET", API + "/customers", self.list_customers)
        add("POST", API + "/customers", self.post_customer)
        add("GET", API + "/customers/<id>", lambda request, id: shown(self.customer(id), request))
        for method in ("PUT", "POST", "PATCH"):
            add(method, API + "/customers/<id>", self.put_customer)
        add("DELETE", API + "/customers/<id>", self.delete_customer)

    def customer(self, given: str) -> Record:
        """One customer; 404 when there is none."""
        return found(self.customers, given, "woocommerce_rest_invalid_id", "Invalid resource ID.")

    def list_customers(self, request: Request) -> Answer:
        """GET /customers: by id unless asked otherwise. It knows no `modified_after`: the parameter is ignored."""
        query = {"orderby": "id", "order": "asc", **request.query}
        email = query.get("email", "")
        rows = [c for c in self.customers.values() if not email or c["email"].lower() == email.lower()]
        return listed(request, rows, {k: v for k, v in query.items() if not k.startswith("modified_")})

    def post_customer(self, request: Request) -> Answer:
        """POST /customers: one account per e-mail address."""
        said = request.json()
        if not said.get("email"):
            raise failure(400, "rest_missing_callback_param", "Missing parameter(s): email")
        self._refuse_double(said["email"], None)
        number = self.store.next("user", 2)
        record = {
            "id": number,
            **self._dates(self.now()),
            "email": said["email"],
            "first_name": "",
            "last_name": "",
            "role": "customer",
            "username": said.get("username") or said["email"].partition("@")[0],
            "billing": {},
            "shipping": {},
            "is_paying_customer": False,
            "meta_data": [],
        }
        self._fill(record, said)
        self.webhooks.emit("customer.created", number)
        return Answer(201, shown(record, request))

    def put_customer(self, request: Request, id: str) -> Record:
        """PUT /customers/<id>."""
        record, said = self.customer(id), request.json()
        if "email" in said:
            self._refuse_double(said["email"], record["id"])
        self._fill(record, said)
        self.webhooks.emit("customer.updated", record["id"])
        return shown(record, request)

    def delete_customer(self, request: Request, id: str) -> Record:
        """DELETE /customers/<id>?force=true: with a webhook; the orders stay, as those of a guest."""
        record = self.customer(id)
        if request.query.get("force") != "true":
            raise failure(501, "woocommerce_rest_trash_not_supported", "Customers do not support trashing.")
        self.store.delete("customers", record["id"])
        for order in [o for o in self.orders.values() if o["customer_id"] == record["id"]]:
            order["customer_id"] = 0
            self.store.put("orders", order["id"], order)
        self.webhooks.emit("customer.deleted", record["id"])
        return shown(record, request)

    def _fill(self, record: Record, said: Record) -> None:
        """Take over what was said; addresses are merged, companies and VAT numbers come as `billing` and `meta_data`."""
        for field in EDITABLE:
            if field in said:
                record[field] = {**record[field], **said[field]} if isinstance(record[field], dict) else said[field]
        self._merge_meta(record, said.get("meta_data", []))
        self._touch("customers", record)

    def _refuse_double(self, email: str, but: int | None) -> None:
        if any(c["email"].lower() == email.lower() and c["id"] != but for c in self.customers.values()):
            words = f"An account is already registered with {email}. Please log in or use a different email address."
            raise failure(400, "registration-error-email-exists", words)
