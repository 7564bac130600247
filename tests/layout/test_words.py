"""One term for each idea, docs/glossary.md has them: words that were replaced do not come back."""

import re
from pathlib import Path

from tests.layout.source import PACKAGES, ROOT, name, python_files

# Each pattern with the word to write instead.
REPLACED = {
    r"(short|long)[ _]way": "fast path, slow path",
    r"not here in whole|here in whole": "incomplete request",
    r"\barrivals\b": "inbound budget",
    r"in[ _]?use[ _]?map": "PinnedLRU",
    r"\blets?[ _]go\b|\bletting go\b": "evict, release, abort",
    r"\bhas to go\b": "is evicted",
    r"passivat": "evict",
    r"unsettled": "uncommitted",
    r"_settled\b|\bsettled\b": "durable",
    r"link_was|session_was|session_seen|whose the session was": "previous owner",
    r"\blets?[ _]on\b": "replay",
    r"\b(take|takes|taken|took)[ _](back|out)\b|\bundone\b": "abort, roll back, cascade",
    r"\bTold\b|\btold\b": "report; is sent, receives",
    r"class Parts\b|class Outside\b|\boutside: Outside\b": "Dependencies, Frontend",
    r"says?[ _]more": "content changed",
    r"(\b|_)(says?|said|tells|knows|knew)(\b|_)": "reports, holds, carries, names",
    r"\b[Ss]omebody\b|\b[Aa]nyone\b": "a noun",
    r"\bAsker\b|\b_took\b": "Requester, record",
    r"unsaid|half a character": "unencodable, lone surrogate",
    r"not[ _]there\b|already[ _]there": "not found, conflict",
    r"sparse[ _]?log|self\._sparse\b": "rate-limited log",
    r"ends the start|slip of the pen": "fails at start-up, typo",
    r"beside (a|the) (running )?server|beside it runs": "while the server runs",
    r"GuardedActor": "BaseActor",
    r"[Ww]hoever": "a noun",
    r"is nobody\b|nobody's": "a noun",
    r"found out again|looked[ _]at\b|looked through": "memo, evaluated, examined",
    r"\bhears?\b|\bheard\b": "receives",
    r"(\"\"\"|# |\. )Of [a-z]": "a sentence with a subject",
}
PATTERNS = {re.compile(pattern): instead for pattern, instead in REPLACED.items()}
ALLOWED: tuple[str, ...] = ()  # files or folders that may have them
NEWLINE = "\n"  # no backslash may stand within an f-string before Python 3.12
THIS = Path(__file__)
FILES = [
    *python_files(*PACKAGES, "tests"),
    *(path for path in ROOT.glob("packaging/**/*") if path.is_file() and path.suffix != ".pyc"),
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob("docs/*.json"),
    *ROOT.glob("docs/*.yml"),
    *ROOT.glob("config/*.toml"),
    *(ROOT / file for file in ("Makefile", "pyproject.toml", ".ci/run")),
]


def test_no_file_has_a_word_that_was_replaced() -> None:
    found = [
        f"{name(path)}:{text.count(NEWLINE, 0, match.start()) + 1}: {match[0]} (write: {instead})"
        for path in FILES
        if path != THIS and not name(path).startswith(ALLOWED)
        for text in [path.read_text()]
        for pattern, instead in PATTERNS.items()
        for match in pattern.finditer(text)
    ]
    assert found == []
