"""What a sweep can be asked for: groups of relations by what a command line calls them."""

import json

import pytest

from helpers.atlas.fiction import write_relation
from helpers.prompts import relations as world
from helpers.studies.atlas_of_circuits.choices import chosen_relations


def test_relations_by_names_kinds_all_groups_and_files(tmp_path):
    chosen = chosen_relations
    assert [r.name for r in chosen(["plural", "country_capital", "plural"])] == ["plural", "country_capital"]
    assert {r.name for r in chosen(["bias"])} == set(world.relations("bias"))
    assert {r.name for r in chosen(["all"])} == set(world.relations())
    own = tmp_path / "mine.json"
    own.write_text((world.FACTS / "linguistic" / "plural.json").read_text(encoding="utf-8"), encoding="utf-8")
    assert chosen([str(own)])[0].name == "mine"
    for order in ([str(own), "plural"], ["plural", str(own)]):
        assert [r.name for r in chosen(order)] == [{"plural": "plural"}.get(n, "mine") for n in order]
    towns = chosen(["person_hometown:each"])
    assert [r.name for r in towns[:2]] == ["person_hometown:0 exposures", "person_hometown:1 exposures"]
    assert sum(len(r.facts) for r in towns) == len(world.relation("person_hometown").facts)


@pytest.mark.parametrize("others", [["plural"], ["linguistic"], ["all"]])
def test_two_relations_of_one_name_are_refused(tmp_path, others):
    raw = json.loads((world.FACTS / "linguistic" / "plural.json").read_text(encoding="utf-8"))
    own = write_relation(tmp_path / "plural.json", raw | {"samples": raw["samples"][:9]})
    for names in ([str(own), *others], [*others, str(own)]):
        with pytest.raises(ValueError, match="two relations are called 'plural'; give your own file .* another name"):
            chosen_relations(names)
    assert len(chosen_relations([str(own)])[0].facts) == 9
    with pytest.raises(FileNotFoundError, match="none.json is missing; give the path of a relation|none.json"):
        chosen_relations(["none.json"])


@pytest.mark.parametrize(
    ("name", "says"),
    [("capital", "unknown relation 'capital'; choose from"), ("plural:each", "no groups"), ("plural:x", "'plural:x'")],
)
def test_a_wrong_name_says_what_is_right(name, says):
    with pytest.raises(ValueError, match=says):
        chosen_relations([name])
