"""What is said about sessions, by the guides and by this course, and what proves or disproves it.

    python -m sessionlab.course.claims [WORD ...]     the table, or the rows in which every word occurs

The claims are in ``data/claims.toml``. What is wrong with one of them (a proof that does not exist or does not say
what the claim says, or knows nothing of its numbers) is found by `proofs.problems`. The proofs themselves are tests and
notebook cells; ``make test`` runs them.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sessionlab.course.catalogue import ROOT
from sessionlab.course.numbers import Figure, figures

FILE = ROOT / "data" / "claims.toml"
VERDICTS = ("true", "partly", "false", "invented", "not reproduced", "obsolete", "opinion", "documented", "unproven")


@dataclass(frozen=True)
class Source:
    """Who says something: ``title``, ``link`` and a letter with which the ids of its claims begin."""

    letter: str
    title: str
    link: str


@dataclass(frozen=True)
class Claim:
    """One claim.

    Attributes
    ----------
    id : the letter of its source and a number, for good.
    says : the claim, in our own words.
    verdict : one of `VERDICTS`.
    measured : what is the case instead, or all the same.
    proof : tests (``tests/test_x.py::test_y``), sections of notebooks (``notebooks/02_reconnect.ipynb#Arrays``) and
        recordings (``data/recordings/backoff.json``). What others' documentation says of their products has the verdict
        ``documented`` and the address of that page.
    prints : texts that compared cells of those sections print.
    numbers : figures that chapters may state on the strength of it, with a unit; ``"32 MB = 20 * 1.6"`` says how one
        follows from others.
    taught : ``CHAPTER: words`` of the chapter that says it, where no section of a chapter is its proof.
    untaught : why no chapter says it.
    versions : package -> version, of those that it holds for.
    """

    id: str
    source: Source
    says: str
    verdict: str
    measured: str
    versions: dict[str, str]
    proof: tuple[str, ...] = ()
    prints: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    taught: str = ""
    untaught: str = ""

    @property
    def figures(self) -> list[Figure]:
        """The figures that it carries, with what they follow from left out."""
        return figures("; ".join(number.split("=")[0].strip() for number in self.numbers))

    def mentions(self, words: Iterable[str]) -> bool:
        text = " ".join([self.id, self.source.title, self.says, self.verdict, self.measured, *self.proof]).casefold()
        return all(word.casefold() in text for word in words)

    def __str__(self) -> str:
        lines = [f"{self.id}  {self.verdict}: {self.says}", f"     {self.measured}"]
        return "\n".join([*lines, *(f"     -> {proof}" for proof in self.proof)])


@dataclass(frozen=True)
class Claims:
    """All claims by id, the sources by letter, and the figures that chapters set for an experiment of theirs."""

    claims: dict[str, Claim]
    sources: dict[str, Source]
    settings: dict[str, tuple[str, ...]]

    def __iter__(self):
        return iter(self.claims.values())

    def __len__(self) -> int:
        return len(self.claims)

    def __getitem__(self, id: str) -> Claim:
        return self.claims[id]

    def verdicts(self) -> dict[str, int]:
        """How many claims have each verdict."""
        counts = {verdict: sum(claim.verdict == verdict for claim in self) for verdict in VERDICTS}
        return {verdict: count for verdict, count in counts.items() if count or verdict == "unproven"}

    def __str__(self) -> str:
        parts = []
        for source in self.sources.values():
            parts += ["", f"{source.title} ({source.link})"]
            parts += [str(claim) for claim in self if claim.source is source]
        counts = ", ".join(f"{count} {verdict}" for verdict, count in self.verdicts().items())
        return "\n".join([*parts, "", f"{len(self)} claims: {counts}"])


def load(path: Path = FILE) -> Claims:
    """Read the claims. Raises ValueError for an id that is used twice, and KeyError or TypeError for a wrong field."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    sources = {letter: Source(letter, **fields) for letter, fields in data["sources"].items()}
    claims: dict[str, Claim] = {}
    for row in data["claim"]:
        lists = {name: tuple(row.pop(name, ())) for name in ("proof", "prints", "numbers")}
        versions = row.pop("versions", data["versions"])
        claim = Claim(**{"source": sources[row["id"][0]], "versions": versions, **row, **lists})
        if claims.setdefault(claim.id, claim) is not claim:
            raise ValueError(f"two claims have the id {claim.id}")
    return Claims(claims, sources, {name: tuple(numbers) for name, numbers in data["settings"].items()})


def main() -> None:
    claims = load()
    if words := sys.argv[1:]:
        print(*(claim for claim in claims if claim.mentions(words)), sep="\n")
    else:
        print(claims)
    sys.exit(bool(claims.verdicts()["unproven"]))


if __name__ == "__main__":
    main()
