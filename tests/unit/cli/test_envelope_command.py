"""`kaipiao envelope` keeps keys and never prints a secret."""

import json


def test_the_command_makes_and_lists_keys_and_prints_no_secret(kaipiao, tmp_path):
    path = tmp_path / "own" / "envelope.json"
    assert kaipiao("envelope", "add", "issuance", "--test", "--file", str(path)).code == 0
    listed = kaipiao("envelope", "list", "--json", "--file", str(path))
    (only,) = json.loads(listed.out)
    assert only["key_id"].startswith("TEST-issuance.")
    assert only["state"] == "current"
    secret = json.loads(path.read_text())["keys"][0]["secret"]
    assert secret not in listed.out
    assert kaipiao("envelope", "switch", "issuance", "--file", str(path)).code == 1
