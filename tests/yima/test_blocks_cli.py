"""Block lists on the command line."""

from __future__ import annotations

from tests.yima.conftest import Home


def test_a_block_is_added_listed_and_lifted(home: Home) -> None:
    home.ask("brand", "create", "--slug", "bark", "--name", "树", "--name-en", "Bark", "--company-prefix", "6907777")
    block = ("blocks", "add", "--brand", "bark", "--kind", "network", "--why", "abuse", "--reason", "a farm of phones")
    made = home.ask(*block, "--what", "203.0.113.0/24", "--days", 7)
    assert (made["what"], made["kind"], made["lifted_at"]) == ("203.0.113.0/24", "network", None)
    assert "already: lift it first" in home.refuse(*block, "--what", "203.0.113.0/24")
    assert "at most a /16 of IPv4" in home.refuse(*block, "--what", "10.0.0.0/8")
    assert "1 to 3,650 days" in home.refuse(*block, "--what", "203.0.113.9", "--days", 3_651)
    assert [each["block"] for each in home.ask("blocks", "list", "--brand", "bark")] == [made["block"]]
    assert "a farm of phones" in home.run("blocks", "list", "--brand", "bark").stdout
    gone = home.ask("blocks", "lift", "--brand", "bark", "--block", made["block"])
    assert gone["lifted_by"] == made["by"]
    assert home.ask("blocks", "list", "--brand", "bark") == []
    assert home.ask("blocks", "list", "--brand", "bark", "--past") == [gone]
    assert "no block 999" in home.refuse("blocks", "lift", "--brand", "bark", "--block", 999)
    assert home.run("blocks", "list", "--brand", "bark").stdout.strip() == "Nothing is blocked."


def test_alarms_are_listed_and_noted_as_seen(home: Home) -> None:
    assert home.ask("alarms", "list") == []
    assert home.run("alarms", "list").stdout.strip() == "No alarm waits."
    assert "no alarm 7" in home.refuse("alarms", "seen", "--alarm", 7)
