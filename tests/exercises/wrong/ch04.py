"""Chapter 04."""

from ..attempts import EMPTY, Wrong

WORK = "        await asyncio.sleep(40)\n        result.value = number.value**2"
PLAIN = "    await asyncio.sleep(40)\n    result.value = number.value**2"
KEEP = "results = pn.state.cache.setdefault('results', {})"
RUN = "async def run(event):\n    await asyncio.sleep(40)\n    results[ticket] = result.value = number.value**2\n\n"

STUBS = {
    "04-job": ("The result is lost", "Result is 0 on the page that came back"),
    "04-share": ("The share is not there 25 s after the end", "Share is 'none yet' on the page that came back"),
    "04-late": ("A later page with the same ticket does not have the result", "Result is 0; the log says: NameError"),
}

HARDEN = "from sessionlab.harden import block_expiration"
SHARE = "        await asyncio.sleep(40)\n        share.value = f'{1000 / guests.value:g} g'"
FINALLY = (
    "    session = pn.state.curdoc.session_context.session\n    session.block_expiration()\n"
    "    try:\n" + SHARE + "\n    except ZeroDivisionError as error:\n        share.value = str(error)\n"
    "    finally:\n        session.unblock_expiration()"
)

WRONG = {
    "04-job": [
        EMPTY,
        Wrong(
            "Panel's block",
            ("", "    with pn.state.block_expiration():\n" + WORK),
            "The result of a second user is lost",
        ),
        Wrong(
            "no linger",
            ("from sessionlab.harden import block_expiration", "    with block_expiration(linger=0):\n" + WORK),
            "The result is lost",
        ),
        Wrong(
            "never released",
            ("", "    pn.state.curdoc.session_context.session.block_expiration()\n" + PLAIN),
            "never given up",
            "still has 2 of their sessions",
        ),
        Wrong(
            "a huge lifetime",
            ("", PLAIN),
            "A user who started no work is kept as well",
            "--unused-session-lifetime 100000000",
            flags="--unused-session-lifetime 100000000",
        ),
    ],
    "04-share": [
        EMPTY,
        Wrong("unblocked at once", ("", FINALLY), "The share is not there 25 s after the end", "Share is 'none yet'"),
        Wrong(
            "tells nobody",
            (HARDEN, "    with block_expiration(linger=300):\n" + SHARE),
            "The reason why there is none is not there",
            "Share is 'none yet'",
        ),
        Wrong(
            "kept for a day",
            ("", FINALLY),
            "A user who started no work is kept as well",
            flags="--unused-session-lifetime 86400000",
        ),
    ],
    "04-late": [
        Wrong(
            "reads its globals when they are gone",
            (KEEP, RUN),
            "does not have the result",
            "NameError",
        ),
        Wrong(
            "one place for all tickets",
            (
                KEEP,
                RUN.replace("(event)", "(event, results=results, number=number, result=result)").replace(
                    "ticket]", "'last']"
                ),
            ),
            "does not have the result",
        ),
        Wrong(
            "the last result for everybody",
            (
                KEEP + "\nticket = 'last'",
                RUN.replace("(event)", "(event, ticket=ticket, results=results, number=number, result=result)"),
            ),
            "A page with another ticket shows a result that is not its own",
        ),
        Wrong(
            "keeps the session",
            (
                "from sessionlab.harden import block_expiration\n\nresults = {}",
                "@block_expiration(linger=7200)\n" + RUN,
            ),
            "The session is kept for an hour",
        ),
    ],
}
