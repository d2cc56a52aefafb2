"""Which bound a container is believed to have."""

from __future__ import annotations

import re
import types

import pandas as pd
import pytest

from sessionlab.agent import names
from sessionlab.agent.bounds import limit_of


@pytest.fixture
def shop():
    module = types.ModuleType("shop")
    module.PRICE_CACHE, module.ORDERS, module.MAX_CACHE_SIZE = {}, {}, 100
    return module


def way_to(module, holder) -> list:
    return [module, vars(module), holder]


def test_patterns_that_are_compiled_are_kept_up_to_a_bound():
    assert limit_of(way_to(re, re._cache), re._cache) == {"size": re._MAXCACHE, "name": f"_MAXCACHE={re._MAXCACHE}"}


def test_a_bound_for_a_cache_of_a_module_is_for_nothing_else_in_it(shop):
    found = limit_of(way_to(shop, shop.PRICE_CACHE), shop.PRICE_CACHE)
    assert found == {"size": 100, "name": "MAX_CACHE_SIZE=100"}
    assert limit_of(way_to(shop, shop.ORDERS), shop.ORDERS) is None


def test_a_cache_of_a_module_without_a_bound_has_none(shop):
    del shop.MAX_CACHE_SIZE
    assert limit_of(way_to(shop, shop.PRICE_CACHE), shop.PRICE_CACHE) is None


def test_pandas_remembers_the_views_of_a_table_up_to_a_bound(shop):
    shop.TABLE = pd.DataFrame({"x": range(1000)})
    manager = shop.TABLE._mgr
    shares = manager.blocks[0].refs
    way = [shop, vars(shop), shop.TABLE, vars(shop.TABLE), manager, manager.blocks, manager.blocks[0], shares]
    seen = []
    for _ in range(2 * shares.clear_counter):
        shop.TABLE.tail(3)
        seen.append(len(shares.referenced_blocks))
    limit = limit_of(way, shares)
    assert 100 < max(seen) <= limit["size"] + 1  # pandas itself keeps to it
    assert "pandas" in limit["name"] and str(limit["size"]) in limit["name"]
    assert names.path_name(way) == "shop.TABLE"


def test_of_a_pandas_that_has_no_such_bound_nothing_is_believed(shop):
    shop.SHARES = type("BlockValuesRefs", (), {"referenced_blocks": []})()
    assert limit_of(way_to(shop, shop.SHARES), shop.SHARES) is None
