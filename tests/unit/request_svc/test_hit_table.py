"""Hits as CSV: which columns there are, that no value is changed, and what is no table."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from request_svc.domain.hit_row import MAX_NAME_BYTES, MAX_ROW_DEPTH, MAX_ROW_VALUES, NotATableError, read_row
from request_svc.domain.hit_table import MAX_COLUMNS, Columns, Table
from request_svc.domain.nesting import UnreadableAnswerError

HIT = (
    b'{"_index":"cities","_id":"7","_score":1.50, "_source":{ "name":"Qom, \\"city\\"\\n","big":9007199254740993,'
    b'"f":1e3, "z":-0.0,"yes":true,"none":null,"where":{"lat":34.640,"more":{"lon":50.9}},"tags":[1.0, "a"],'
    b'"empty":{},"\\u0634":"\\u062a","half":"\\ud800","":""},"sort":[1.0,"x"],"highlight":{"name":["<em>Qom</em>"]}}'
)


def table(*hits: bytes, columns: list[str] | None = None, spreadsheet: bool = False) -> bytes:
    """The whole CSV of these hits."""
    rows = [read_row(hit) for hit in hits]
    found = Columns()
    for row in rows:
        found.add(row)
    names = [name.encode() for name in columns] if columns is not None else found.names
    made = Table(names, spreadsheet=spreadsheet)
    return made.header + b"".join(made.line(row) for row in rows)


def cells(data: bytes) -> list[list[str]]:
    """What a reader of CSV sees."""
    return list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))


def test_the_columns_are_id_score_and_every_path_of_the_source_in_the_order_of_first_sight() -> None:
    assert cells(table(b'{"_id":"1","_source":{"b":1,"a":{"x":2}}}', b'{"_id":"2","_source":{"c":3,"b":4}}')) == [
        ["_id", "_score", "b", "a.x", "c"],
        ["1", "", "1", "2", ""],
        ["2", "", "4", "", "3"],
    ]


def test_values_stand_as_the_engine_wrote_them() -> None:
    header, row = cells(table(HIT))
    assert dict(zip(header, row, strict=True)) == {
        "_id": "7",
        "_score": "1.50",
        "name": 'Qom, "city"\n',
        "big": "9007199254740993",
        "f": "1e3",
        "z": "-0.0",
        "yes": "true",
        "none": "",
        "where.lat": "34.640",
        "where.more.lon": "50.9",
        "tags": '[1.0, "a"]',
        "empty": "{}",
        "ش": "ت",
        "half": "\\ud800",
        "": "",
    }


def test_named_columns_come_exactly_as_named() -> None:
    named = ["_sort", "name", "_highlight.name", "nowhere", "_index"]
    assert cells(table(HIT, columns=named)) == [
        named,
        ['[1.0,"x"]', 'Qom, "city"\n', '["<em>Qom</em>"]', "", "cities"],
    ]


def test_lines_end_and_cells_are_quoted_as_rfc_4180_says() -> None:
    assert table(b'{"_source":{"a":"x\\"y","b":"1,2","c":" d","e":"\\r"}}', columns=["a", "b", "c", "e"]) == (
        b'a,b,c,e\r\n"x""y","1,2"," d","\r"\r\n'
    )


def test_a_line_without_a_value_is_still_a_line() -> None:
    assert table(b"{}", b'{"_source":null}', columns=["a"]) == b'a\r\n""\r\n""\r\n'


def test_no_hits_are_a_line_of_names() -> None:
    assert table() == b"_id,_score\r\n"


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "\uff1d1", "\uff201"])
def test_a_spreadsheet_meets_no_formula(text: str) -> None:
    hit = json.dumps({"_id": text, "_source": {"n": -5, text: "a=1"}}).encode()
    assert cells(table(hit)) == [["_id", "_score", "n", text], [text, "", "-5", "a=1"]]
    data = table(hit, spreadsheet=True)
    assert data.startswith(b"\xef\xbb\xbf_id,")
    assert cells(data)[1:] == [["'" + text, "", "-5", "a=1"]]
    assert cells(data)[0][3] == "'" + text


@given(
    st.dictionaries(
        st.text(st.characters(exclude_characters=".", exclude_categories=["Cs"]), max_size=8),
        st.text(st.characters(exclude_categories=["Cs"])) | st.integers().map(str),
        min_size=1,
        max_size=6,
    ),
    st.booleans(),
)
def test_any_text_comes_out_as_it_went_in(source: dict[str, str], readable: bool) -> None:
    hit = json.dumps({"_source": source}, ensure_ascii=not readable).encode()
    header, row = cells(table(hit, columns=list(source)))
    assert dict(zip(header, row, strict=True)) == source


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ('{"a":1,"a":2}', "two values of the path a"),
        ('{"a":{"b":1},"a.b":2}', "two values of the path a.b"),
        ('{"' + "k" * (MAX_NAME_BYTES + 1) + '":1}', "longer than 1024 bytes"),
        ('{"a":' * MAX_ROW_DEPTH + "{}" + "}" * MAX_ROW_DEPTH, "more than 100 deep"),
        ("{" + ",".join(f'"k{n}":1' for n in range(MAX_COLUMNS - 1)) + "}", "more than 1000 columns"),
        ("{" + ",".join(f'"k{n}":1' for n in range(MAX_ROW_VALUES + 1)) + "}", "more than 10000 values"),
    ],
)
def test_what_is_no_table_is_refused_with_its_cause(source: str, cause: str) -> None:
    with pytest.raises(NotATableError, match=cause):
        table(b'{"_source":' + source.encode() + b"}")


def test_as_many_columns_as_allowed_are_a_table() -> None:
    source = ",".join(f'"k{n}":1' for n in range(MAX_COLUMNS - 2))
    assert len(cells(table(b'{"_source":{' + source.encode() + b"}}"))[0]) == MAX_COLUMNS


@pytest.mark.parametrize(
    "hit",
    [
        b"",
        b"[]",
        b"{} ",
        b'{"a"}',
        b'{"a":}',
        b'{"a":01}',
        b'{"a":1.}',
        b'{"a":NaN}',
        b'{"a":tru}',
        b'{"a":1,}',
        b'{"a":1 "b":2}',
        b'{"a":"\\x"}',
        b'{"a":"\xff"}',
        b'{"a":{"b":1}',
        b'{"a":[1}',
    ],
)
def test_what_is_no_json_is_refused(hit: bytes) -> None:
    with pytest.raises(UnreadableAnswerError):
        table(hit)
