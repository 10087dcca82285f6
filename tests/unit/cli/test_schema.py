"""The published schemas are valid JSON Schema, and refuse what is not of their kind."""

import json

import jsonschema
import pytest


@pytest.mark.parametrize("name", ["invoice", "job", "chunk", "envelope"])
def test_each_schema_is_a_valid_schema_of_2020_12(kaipiao, name):
    printed = kaipiao("schema", name)
    schema = json.loads(printed.out)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert (printed.code, schema["$schema"]) == (0, "https://json-schema.org/draft/2020-12/schema")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"unknown": 1}, schema)


def test_the_invoice_is_what_is_printed_by_default(kaipiao):
    assert kaipiao("schema").out == kaipiao("schema", "invoice").out


def test_an_unknown_name_is_refused_with_the_known_ones(kaipiao):
    ended = kaipiao("schema", "receipts")
    assert ended.code == 2
    assert "'invoice', 'job', 'chunk', 'envelope'" in ended.words
