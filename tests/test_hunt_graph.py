"""The walk through a process, in this one."""

from __future__ import annotations

import sys
import types
import weakref

from sessionlab.agent.ledger import Ledger


class Thing:
    pass


async def test_a_proxy_of_what_is_gone_holds_nothing_and_stops_nobody(monkeypatch, walked):
    """Numba and others keep such proxies; to ask them anything is a ReferenceError."""
    module = types.ModuleType("kept_by_the_test")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    module.list = []
    ledger = Ledger()
    ledger.turn()
    thing = Thing()
    lost = [weakref.proxy(thing)]  # a list that no module leads to
    module.list += [weakref.proxy(thing), Thing()]
    del thing
    ledger.turn()
    walk = walked(ledger)
    found = [type(each) for each in walk.things]
    assert Thing in found
    assert not {weakref.ProxyType, weakref.CallableProxyType} & {*found, *map(type, walk.lost)}
    assert len(lost) == 1
