"""DATABASE_URL and REDIS_URL: what is understood, and the sentence for what is not."""

import pytest

from retailsync.platform import addresses
from retailsync.platform.ports import first_free
from retailsync.platform.trouble import Trouble


def test_a_database_url_becomes_django_settings() -> None:
    assert addresses.database("postgres://ann:p%40ss@db.example:5433/shop?sslmode=require") == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "shop",
        "USER": "ann",
        "PASSWORD": "p@ss",
        "HOST": "db.example",
        "PORT": "5433",
        "OPTIONS": {"sslmode": "require"},
    }


def test_our_own_url_reads_back() -> None:
    parsed = addresses.database(addresses.database_url("retailsync", "a/b@c:d", 15432, "retailsync"))
    assert (parsed["USER"], parsed["PASSWORD"], parsed["PORT"]) == ("retailsync", "a/b@c:d", "15432")


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("mysql://db/shop", "DATABASE_URL must look like postgres://user:password@host:port/name."),
        ("nonsense", "DATABASE_URL must look like postgres://user:password@host:port/name."),
        ("postgres://db:port/shop", "DATABASE_URL is malformed: "),
        ("postgres://db:5432/", "DATABASE_URL names no database: end it with /name."),
    ],
)
def test_a_malformed_database_url_is_explained(url: str, sentence: str) -> None:
    with pytest.raises(Trouble) as trouble:
        addresses.database(url)
    assert str(trouble.value).startswith(sentence)


def test_an_unreachable_database_is_one_sentence() -> None:
    port = first_free(20000)
    with pytest.raises(Trouble) as trouble:
        addresses.require_database(f"postgres://ann:hunter2@127.0.0.1:{port}/shop")
    text = str(trouble.value)
    assert text == f"DATABASE_URL: cannot use 127.0.0.1:{port}/shop: Connection refused"


def test_an_unreachable_redis_is_one_sentence() -> None:
    port = first_free(20000)
    with pytest.raises(Trouble, match=f"^REDIS_URL: cannot use 127.0.0.1:{port}: ") as trouble:
        addresses.require_redis(f"redis://:hunter2@127.0.0.1:{port}/0")
    assert "hunter2" not in str(trouble.value)


def test_a_malformed_redis_url_is_explained() -> None:
    with pytest.raises(Trouble, match=r"^REDIS_URL must look like redis://"):
        addresses.require_redis("http://cache:6379")
