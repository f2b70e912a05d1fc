"""Names as they are compared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_py.matching.names import acronyms_of, compact, core_name, fold, legal_form, legal_forms, name_key

WORDS = st.text(alphabet="abcdefghij xyz", min_size=1, max_size=30).filter(
    lambda text: text.strip() != "" and not legal_form(text)
)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("GREENPACK PTE. LTD.", "greenpack"),
        ("The Acme Co., Inc.", "acme"),
        ("Müller & Söhne GmbH & Co. KG", "muller and sohne"),
        ("CompAS Gesellschaft mit beschränkter Haftung", "compas"),
        ("Pte Ltd", "pte ltd"),
        ("  B.V. Holland  ", "holland"),
        ("新加坡 Trading Sdn Bhd", "新加坡 trading"),
    ],
)
def test_a_key_is_the_name_without_its_legal_form(name: str, key: str) -> None:
    assert name_key(name) == key


@given(st.text(max_size=60))
def test_a_key_is_its_own_key_and_of_one_shape(name: str) -> None:
    key = name_key(name)
    assert name_key(key) == key
    assert key == key.strip() and "  " not in key and "\x00" not in key
    assert bool(key) == bool(fold(name))


@given(WORDS, st.sampled_from(["Pte. Ltd.", "PTE LTD", "Private Limited", "GmbH", "Inc.", "LLP", "Sdn. Bhd."]))
def test_a_legal_form_at_the_end_changes_no_key(name: str, form: str) -> None:
    assert name_key(f"{name} {form}") == name_key(name)


@given(WORDS)
def test_case_and_punctuation_change_no_key(name: str) -> None:
    assert name_key(name.upper() + ".") == name_key(name)


def test_spellings_of_a_legal_form_are_one() -> None:
    assert legal_forms("A Private Limited") == legal_forms("B Pte. Ltd.") == {"pte", "ltd"}
    assert legal_forms("A GmbH") == legal_forms("A Gesellschaft mit beschränkter Haftung")
    assert legal_form("Greenpack") == ""


def test_the_core_drops_what_companies_of_a_group_differ_in() -> None:
    assert core_name(name_key("Rhenus Gruppe")) == core_name(name_key("Rhenus Holding GmbH & Co. KG")) == "rhenus"
    assert core_name("services group") == "services group"


def test_umlauts_written_out_are_the_same_on_both_sides() -> None:
    assert compact(name_key("Körner Druck")) == compact(name_key("Koerner-Druck")) == "kornerdruck"


def test_initials_come_with_and_without_small_words() -> None:
    assert acronyms_of("bank of china") == {"boc", "bc"}
    assert acronyms_of("acme") == frozenset()
