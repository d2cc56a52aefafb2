"""Chapter 09."""

from ..attempts import EMPTY, Wrong

PERSIST = "from sessionlab.harden import persist\n"
IN_THE_PROCESS = """letter.value = pn.state.cache.get("letter", "")
letter.param.watch(lambda event: pn.state.cache.update(letter=event.new), "value")
"""
ON_DISK = """file = pathlib.Path(os.environ["SESSIONLAB_STORE"]) / "letter.txt"
letter.value = file.read_text() if file.exists() else ""
letter.param.watch(lambda event: file.write_text(event.new), "value")
"""
FOR_ALL = """basket = pn.state.cache.setdefault("basket", basket)
count.value = len(basket.things)
add.on_click(lambda event: count.param.update(value=len(basket.things)))
"""
BY_USER = """baskets = pn.state.cache.setdefault("baskets", {})
basket.things = baskets.get(pn.state.user, [])
basket.param.watch(lambda event, user=pn.state.user: baskets.update({user: event.new}), "things")
"""

STUBS = {
    "09-letter": ("The letter is lost when the server is started anew", "Letter is ''"),
    "09-basket": ("On her telephone the basket is another one", "2 things were chosen, and Count is 0"),
}

WRONG = {
    "09-letter": [
        EMPTY,
        Wrong("in the process", ("", IN_THE_PROCESS), "The letter is lost when the server is started anew"),
        Wrong("a session that lives long", ("", ""), "is lost", flags="--unused-session-lifetime 100000000"),
        Wrong("a file for everybody", ("import os\nimport pathlib\n", ON_DISK), "A new tab shows a letter"),
        Wrong(
            "in the page",
            ("from sessionlab.harden import recover_inputs\n", "recover_inputs(letter)"),
            "A long letter is lost",
            "6000 letters were written",
        ),
    ],
    "09-basket": [
        EMPTY,
        Wrong("by tab", (PERSIST, "persist(basket)"), "On her telephone the basket is another one"),
        Wrong("one for all", ("", FOR_ALL), "Ben finds what Anna chose"),
        Wrong("in the process, by user", ("", BY_USER), "After a restart the basket is empty"),
    ],
}
