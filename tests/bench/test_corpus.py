from collections import Counter

import pytest

from bench import corpus
from bench.broken import BrokenDocument, bad
from bench.corpus import Document
from bench.demo import SEED
from bench.independent import uscc_check, words_to_amount
from render.errors import InputError
from render.model.invoice import Media
from render.model.read import read_invoice

VARIED = corpus.varied(52, 7)


@pytest.mark.parametrize("document", VARIED, ids=[document.name for document in VARIED])
def test_every_document_is_read_as_the_invoice_it_was_made_from(document: Document) -> None:
    read = read_invoice(document.data, document.media)
    found = read.invoice
    expected = document.invoice
    for name in ("kind", "number", "issued", "total_amount", "total_tax", "total", "total_words", "qr_text", "clerk"):
        assert getattr(found, name) == getattr(expected, name), name
    assert found.seller == expected.seller
    assert found.buyer == expected.buyer
    assert found.remark == expected.remark
    assert [line.amount for line in found.lines] == [line.amount for line in expected.lines]
    assert [line.role for line in found.lines] == [line.role for line in expected.lines]
    assert [line.treatment for line in found.lines] == [line.treatment for line in expected.lines]
    assert (found.red is None) == (expected.red is None)
    assert {warning.path for warning in read.warnings} == (
        {"buyer.tax_id"} if "old_tax_id" in document.features else set()
    )


def test_media_is_told_from_the_bytes() -> None:
    for document in VARIED[:26]:
        assert read_invoice(document.data).invoice.number == document.invoice.number


def test_every_recipe_comes_in_both_media() -> None:
    seen = {(document.media, recipe) for document in VARIED for recipe in corpus.RECIPES if recipe in document.features}
    assert seen >= {(media, recipe) for media in Media for recipe in corpus.RECIPES}


def test_one_seed_gives_the_same_bytes_and_another_gives_other_numbers() -> None:
    assert [document.data for document in corpus.varied(30, 7)] == [document.data for document in VARIED[:30]]
    others = {document.invoice.number for document in corpus.varied(52, 8)}
    assert not others & {document.invoice.number for document in VARIED}


def test_no_number_comes_twice() -> None:
    numbers = Counter(document.invoice.number for document in corpus.varied(200, 3))
    assert max(numbers.values()) == 1


def test_parties_are_made_up_and_their_codes_are_valid() -> None:
    for document in VARIED:
        for party in (document.invoice.seller, document.invoice.buyer):
            assert "示例" in party.name
            if len(party.tax_id) == 18:
                assert party.tax_id[2:8] == "990000"
                assert party.tax_id[-1] == uscc_check(party.tax_id[:-1])


def test_words_state_the_total() -> None:
    for document in VARIED:
        assert words_to_amount(document.invoice.total_words) == document.invoice.total


def test_lines_go_from_one_to_forty() -> None:
    counts = {len(document.invoice.lines) for document in corpus.varied(200, SEED)}
    assert (min(counts), max(counts)) == (1, 40)
    assert [len(document.invoice.lines) for document in corpus.with_lines(33, 2, 1)] == [33, 33]


BROKEN = bad()


@pytest.mark.parametrize("document", BROKEN, ids=[document.name for document in BROKEN])
def test_broken_documents_are_refused_with_their_code(document: BrokenDocument) -> None:
    with pytest.raises(InputError) as caught:
        read_invoice(document.data, document.media)
    assert caught.value.code in document.codes
