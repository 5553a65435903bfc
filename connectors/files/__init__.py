"""CSV files that a warehouse puts into a folder: its stock, whole or what changed. We read, check, and put away; we send nothing."""

from connectors.base import Connector
from connectors.files import polling, reading
from connectors.files.settings import Settings

connector = Connector(
    name="files",
    title="CSV files in a folder",
    roles=frozenset({"3pl", "wms"}),
    settings=Settings,
    reads=reading.reads,
    polls={"stock": polling.stock},
    probe=polling.probe,
)
