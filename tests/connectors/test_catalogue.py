from collections import Counter

from connectors.catalogue import catalogue, gtin13


def test_forty_things_with_codes_of_their_own() -> None:
    items = catalogue()
    assert len(items) == len({item.sku for item in items}) == len({item.gtin for item in items}) == 40
    assert catalogue() == items


def test_codes_say_where_goods_lie() -> None:
    assert Counter(item.warehouse for item in catalogue()) == {"W1": 17, "W2": 19, "": 4}


def test_a_gtin_has_its_check_digit() -> None:
    assert gtin13(400_638_133_393) == "4006381333931"  # the example of ISO/IEC 15420
