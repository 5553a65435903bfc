"""The simulated shop's REST API for webhooks."""

import threading

from connectors.simulation import Answer, Request
from connectors.woocommerce.simulator.records import Records
from connectors.woocommerce.simulator.views import API, Record, failure, found, listed, shown

TOPICS = frozenset(
    f"{resource}.{event}"
    for resource in ("order", "product", "customer", "coupon")
    for event in ("created", "updated", "deleted", "restored")
)


class Hooks(Records):
    """Webhook subscriptions over REST."""

    def add_hook_routes(self) -> None:
        """Routes."""
        add = self.routes.add
        add("GET", API + "/webhooks", self.list_webhooks)
        add("POST", API + "/webhooks", self.post_webhook)
        add("GET", API + "/webhooks/<id>", lambda request, id: shown(self.webhook(id), request))
        for method in ("PUT", "POST", "PATCH"):
            add(method, API + "/webhooks/<id>", self.put_webhook)
        add("DELETE", API + "/webhooks/<id>", self.delete_webhook)

    def list_webhooks(self, request: Request) -> Answer:
        """GET /webhooks, of all statuses unless one is named."""
        wanted = request.query.get("status", "all")
        hooks = self.webhooks.subscriptions().values()
        return listed(request, [hook for hook in hooks if wanted in ("all", hook["status"])])

    def webhook(self, given: str) -> Record:
        """One subscription; 404 when there is none."""
        return found(self.webhooks.subscriptions(), given, "woocommerce_rest_shop_webhook_invalid_id")

    def post_webhook(self, request: Request) -> Answer:
        """POST /webhooks: 201 and active even where nothing listens. The ping follows; the secret is never shown."""
        said = request.json()
        topic, url = said.get("topic", ""), said.get("delivery_url", "")
        if topic not in TOPICS and not topic.startswith("action."):
            raise failure(
                400, "woocommerce_rest_shop_webhook_invalid_topic", "Webhook topic is required and must be valid."
            )
        if not url.startswith(("http://", "https://")):
            words = "Webhook delivery URL must be a valid URL starting with http:// or https://."
            raise failure(400, "woocommerce_rest_shop_webhook_invalid_delivery_url", words)
        number = self.store.next("webhook")
        hook = {
            "id": number,
            "name": said.get("name", ""),
            "status": said.get("status", "active"),
            "topic": topic,
            "resource": topic.partition(".")[0],
            "event": topic.partition(".")[2],
            "delivery_url": url,
            **self._moment("date_created", self.now()),
            **self._moment("date_modified", None),
            "secret": said.get("secret") or f"generated-{self.seed}-{number}",
            "failure_count": 0,
        }
        self.store.put("webhooks", number, hook)
        threading.Thread(target=self.webhooks.ping, args=(hook,), daemon=True).start()
        return Answer(201, shown(hook, request))

    def put_webhook(self, request: Request, id: str) -> Record:
        """PUT /webhooks/<id>. Enabling again does not reset the failure count."""
        hook, said = self.webhook(id), request.json()
        hook.update({key: said[key] for key in ("name", "status", "delivery_url", "secret") if key in said})
        self._touch("webhooks", hook)
        return shown(hook, request)

    def delete_webhook(self, request: Request, id: str) -> Record:
        """DELETE /webhooks/<id>?force=true."""
        hook = self.webhook(id)
        if request.query.get("force") != "true":
            raise failure(501, "woocommerce_rest_trash_not_supported", "Webhooks do not support trashing.")
        self.store.delete("webhooks", hook["id"])
        return shown(hook, request)
