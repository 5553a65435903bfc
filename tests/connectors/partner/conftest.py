"""Our API as a partner sees it."""

from collections.abc import Iterator

import pytest

from .api import Api


@pytest.fixture
def api() -> Iterator[Api]:
    with Api() as api:
        yield api
