"""The thread that writes exposures: in turns, of which each has an end."""

import threading
import time
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest

from recsys.errors import StateError
from recsys.state import Exposure
from service.exposing import ExposureWriter


class Book:
    """Takes down what is written, and when; as a state it may fail, and something may come in."""

    def __init__(self) -> None:
        self.exposures = self
        self.turns: list[tuple[float, list[str]]] = []
        self.fails = False
        self.meanwhile: Callable[[], None] = lambda: None
        self.told = threading.Event()

    def add(self, some: Sequence[Exposure]) -> None:
        self.told.set()
        if self.fails:
            raise StateError("the state is away")
        self.turns.append((time.monotonic(), [one.recommendation_id for one in some]))
        self.meanwhile()


def exposure(name: str) -> Exposure:
    return Exposure(name, "ann", 1, "v", "d", "m", None, None, {}, ["tea"], [1.0], {})


@pytest.fixture
def book() -> Book:
    return Book()


def written(book: Book) -> list[str]:
    return [name for _, names in book.turns for name in names]


def test_what_comes_while_it_writes_waits_for_the_next_turn(book: Book) -> None:
    # A served list for every one that is written: without an end a turn would hold one list each.
    writer = ExposureWriter(book)  # type: ignore[arg-type]
    numbers = iter(range(1, 200))
    book.meanwhile = lambda: writer.add(exposure(str(next(numbers))))
    writer.add(exposure("0"))
    time.sleep(0.6)
    book.meanwhile = lambda: None
    writer.close()
    times = [at for at, _ in book.turns[:-1]]
    assert 2 <= len(times) <= 7
    assert all(later - at > 0.05 for at, later in pairwise(times))
    assert written(book) == [str(number) for number in range(len(written(book)))]


def test_many_are_written_by_few_transactions(book: Book) -> None:
    writer = ExposureWriter(book)  # type: ignore[arg-type]
    for number in range(2_500):
        writer.add(exposure(str(number)))
    writer.close()
    assert written(book) == [str(number) for number in range(2_500)]
    assert len(book.turns) <= 4


def test_what_cannot_be_written_waits_until_it_can_be(book: Book) -> None:
    writer = ExposureWriter(book)  # type: ignore[arg-type]
    book.fails = True
    writer.add(exposure("a"))
    assert book.told.wait(5.0)
    book.fails = False
    writer.add(exposure("b"))
    writer.close()
    assert sorted(written(book)) == ["a", "b"]
    assert writer.lost == 0


def test_what_cannot_be_written_at_the_end_is_counted_as_lost(book: Book) -> None:
    book.fails = True
    writer = ExposureWriter(book)  # type: ignore[arg-type]
    for number in range(3):
        writer.add(exposure(str(number)))
    writer.close()
    assert (writer.lost, writer.waiting) == (3, 0)
