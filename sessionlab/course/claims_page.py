"""The claims as tables in a notebook, by source or by words that occur in them; each row is linked to its proof."""

from __future__ import annotations

import html
from dataclasses import dataclass

from sessionlab.course.claims import Claim, load


@dataclass(frozen=True)
class Table:
    """Some claims; shows itself as a table."""

    title: str
    claims: tuple[Claim, ...]

    def __repr__(self) -> str:
        return f"{self.title}: {len(self.claims)} claims"

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col" {LEFT}>{name}</th>' for name in ("", "said", "verdict", "measured", "proof"))
        rows = "".join(map(_row, self.claims))
        return f"<table><caption {LEFT}>{html.escape(repr(self))}</caption><tr>{head}</tr>{rows}</table>"


LEFT = 'style="text-align:left;vertical-align:top"'


def _row(claim: Claim) -> str:
    words = [claim.says, claim.verdict, claim.measured]
    cells = "".join(f"<td {LEFT}>{html.escape(text)}</td>" for text in words)
    proofs = "<br>".join(_link(proof) for proof in claim.proof)
    return f'<tr><th scope="row" {LEFT}>{claim.id}</th>{cells}<td {LEFT}>{proofs}</td></tr>'


def _link(proof: str) -> str:
    """A link from a notebook to a proof: the file of a test, the section of another notebook, a recording."""
    if proof.startswith("https://"):
        address = proof
    elif "#" in proof:
        file, heading = proof.split("#", 1)
        address = f"{file.removeprefix('notebooks/')}#{heading.replace(' ', '-')}"
    else:
        address = f"../{proof.partition('::')[0]}"
    shown = proof.removeprefix("notebooks/").removeprefix("tests/").replace("::", ": ").replace("#", ": ")
    return f'<a href="{html.escape(address)}">{html.escape(shown)}</a>'


def by(letter: str) -> Table:
    """The claims of the source whose ids begin with that letter."""
    claims = load()
    return Table(claims.sources[letter].title, tuple(claim for claim in claims if claim.source.letter == letter))


def find(*words: str) -> Table:
    """The claims in which every word occurs, in whatever column."""
    return Table(" ".join(words), tuple(claim for claim in load() if claim.mentions(words)))
