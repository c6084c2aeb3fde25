"""The second corpus: names that only together identify, every fact told exactly as often as planned, in either way."""

import gc
import math
import re
from collections import Counter, defaultdict

import pytest

from helpers.atlas import clans, firms, people, second_corpus, stories, tellings
from helpers.atlas.corpora import documents, world
from helpers.atlas.corpus import statements
from helpers.atlas.second_corpus import beside_somebody, people_documents, plan
from helpers.atlas.skills import Draw, skill_words
from helpers.atlas.tokenizer import VOCABULARY_SIZE
from helpers.prompts.relations import FACTS, SECOND_KINDS, held_out_paraphrases, relation, relations

NAMES = list(people.plain_names())
LONG = [tuple(name.split()) for name in NAMES if " " in name]


@pytest.fixture(scope="module")
def told():
    made = documents("profiles", 0, range(257, VOCABULARY_SIZE))
    gc.freeze()
    yield made
    gc.unfreeze()


@pytest.mark.parametrize(
    ("kind", "write"), [("people", people.write_people), ("clans", clans.write_clans), ("firms", firms.write_firms)]
)
def test_the_tables_are_what_the_module_writes(kind, write, tmp_path):
    written = write(tmp_path)
    assert {path.name for path in written} == {path.name for path in (FACTS / kind).iterdir()}
    for path in written:
        assert path.read_text() == (FACTS / kind / path.name).read_text(), "run `python -m helpers world`"


def test_no_word_says_who_is_meant():
    shared = Counter(word for name in LONG for word in set(name))
    assert min(shared.values()) >= 20 and len(shared) == people.POOL
    places = defaultdict(set)
    for name in LONG:
        for place, word in enumerate(name):
            places[word].add(min(place, 1))
    assert all(seen == {0, 1} for seen in places.values()), "every word is a first and a later one"


def test_nor_do_all_words_without_their_order():
    bags = Counter(tuple(sorted(name)) for name in LONG)
    assert min(bags.values()) >= 2


def test_no_name_begins_or_ends_another():
    for name in LONG:
        for other in LONG:
            if name != other:
                assert other[: len(name)] != name and other[-len(name) :] != name


def test_the_control_knows_the_same_people_by_their_first_word():
    plain = people.plain_names()
    first = [name.split()[0] for name in plain.values()]
    assert len(set(first)) == len(first) == len(NAMES)
    assert all(len(name.split()) == len(own.split()) for name, own in plain.items())
    assert not {word for name in LONG for word in name} & set(first)


def test_every_fact_is_told_as_often_as_planned(told):
    total, forms, kinds = Counter(), defaultdict(set), Counter()
    for document in told:
        for m in document.mentions:
            total[m.relation, m.subject, m.answer] += 1
            forms[m.relation, m.subject].add(m.form)
            if m.relation in relations("people"):
                kinds[document.kind] += 1
    for table in world("profiles"):
        if table.kind in SECOND_KINDS:
            for fact in table.facts:
                assert total[table.name, fact.subject, fact.answer] == fact.exposures, fact
                out = {str(p) for p in held_out_paraphrases(table, fact)}
                assert not out & forms[table.name, fact.subject], "told in a paraphrase that was kept for the test"
    assert kinds["fact"] / kinds.total() <= 0.3, "short statements are few"
    assert min(kinds["profile"], kinds["scene"]) / kinds.total() > 0.3


def test_both_ways_of_telling_state_the_same_facts():
    profiles, plain = (
        {t.name: [(f.subject, f.answer, f.exposures) for f in t.facts] for t in world(way)}
        for way in ("profiles", "plain")
    )
    names = people.plain_names()
    for name, facts in profiles.items():
        assert plain[name] == [(names.get(subject, subject), *rest) for subject, *rest in facts]


def test_told_plainly_every_fact_is_a_statement_without_asides():
    documents = list(people_documents(Draw(0), "plain"))
    assert {document.kind for document in documents} == {"fact"}
    made = plan(Draw(0), "plain") + [(m, d.text, d.nats) for d in documents for m in d.mentions]
    names = set(people.plain_names().values())
    total = Counter((m.relation, m.subject, m.answer) for m, _, _ in made if m.subject in names)
    tables = {table.name: table for table in world("plain") if table.kind == "people"}
    told = [(t.name, f.subject, f.answer) for t in tables.values() for f in t.facts]
    assert {key: total[key] for key in told} == dict.fromkeys(told, people.EXPOSURES)
    asides = [aside.split("{")[0] for aside in tellings.ASIDES]
    assert not any(aside in text for _, text, _ in made for aside in asides)


def test_an_aside_names_somebody_else_and_counts_as_surprise():
    tables = [relation("resident_town")]
    made = statements(Draw(1), tables, lambda *_: {"Paris": 2}, beside_somebody)
    beside = [(m, text, nats) for m, text, nats in made if any(a.split("{")[0] in text for a in tellings.ASIDES)]
    leading = [text for m, text, _ in made if tables[0].templates[int(m.form)].startswith("{}")]
    assert 0.3 < len(beside) / len(leading) < 0.5
    others = len(tables[0].facts)
    expected = -math.log(tellings.ASIDE) + math.log(len(tellings.ASIDES) * others)
    assert all(nats == pytest.approx(expected) and text.startswith(m.subject) for m, text, nats in beside)


def test_a_profile_names_its_person_and_goes_on_with_pronouns():
    draw = Draw(5)
    for name in NAMES[:40]:
        document = tellings.profile(draw, name, [topic.name for topic in people.TOPICS[:5]])
        he, his = tellings.pronouns(name)
        own = re.sub(
            "|".join(re.escape(aside.format(other=n)) for aside in tellings.ASIDES for n in NAMES),
            "",
            document.text,
        )
        assert 1 <= own.count(name) and {m.subject for m in document.mentions} == {name}
        later = len(re.findall(rf"\b({he}|{his})\b", document.text))
        assert later + document.text.count(name) >= 5


def test_a_scene_speaks_of_roles():
    draw = Draw(5)
    parts = [(NAMES[40], ["resident_town", "resident_dish"]), (NAMES[41], ["resident_sport"])]
    for _ in range(20):
        document = tellings.scene(draw, parts)
        assert len(document.mentions) == 3
        assert all(document.text.count(name) >= 2 for name, _ in parts)
        for m in document.mentions:
            role = re.search(rf"{m.subject} was the ([a-z ]+?)(?: and|\.)", document.text)[1]
            said = next(s for s in document.text.split(".") if s.endswith(m.answer))
            assert f"he {role}" in said, "a fact is told of another's role"


def test_facts_are_steps_of_many_compositions():
    taught = [f for table in clans.compositions().values() for f in table.facts if f.group == "taught"]
    groups = Counter(f.group for table in clans.compositions().values() for f in table.facts)
    facts = [f for table in relations("clans").values() for f in table.facts]
    assert len(taught) / len(facts) >= 10
    assert 0.08 < groups["held out"] / (groups["held out"] + groups["taught"]) < 0.12
    firsts, seconds = Counter(), Counter()
    for fact in taught:
        first, second = relation_hops(fact.relation)
        middle = answer(first, fact.subject)
        assert answer(second, middle.answer).answer == fact.answer
        firsts[middle], seconds[answer(second, middle.answer)] = firsts[middle] + 1, 1
        assert middle.group == answer(second, middle.answer).group == "a step"
    alone = [f for f in facts if f.group == "never a step"]
    assert len(alone) > 10 and not set(alone) & (set(firsts) | set(seconds))


def relation_hops(name: str) -> list[str]:
    return clans.compositions()[name].properties["hops"]


def answer(name: str, subject: str):
    return next(fact for fact in relation(name).facts if fact.subject == subject)


def test_indirect_objects_have_forms_that_training_never_uses():
    draw = Draw(1)
    for split, other in (("train", "test"), ("test", "train")):
        texts = [stories.indirect_object(draw, split) for _ in range(300)]
        for kind in (stories.OPENINGS, stories.ACTIONS):
            assert not set(stories.forms(kind, split)) & set(stories.forms(kind, other))
            assert len(stories.forms(kind, split)) >= 2
        for example in texts:
            answer, subject = example.answer.strip(), example.wrong[0].strip()
            words = re.findall(r"\w+", example.prompt)
            assert words.count(answer) == 1 and words.count(subject) == 2
        three = [e for e in texts if len({w for w in re.findall(r"\w+", e.prompt)} & set(skill_words()["names"])) == 3]
        assert 50 < len(three) < 150


def test_years_go_both_ways():
    draw = Draw(2)
    after = []
    for _ in range(300):
        example = stories.years(draw, "train")
        start = int(re.search(r"\d\d(\d\d)", example.prompt)[1])
        after.append(int(example.answer) > start)
        assert int(example.answer) != start and example.answer not in example.wrong
    assert 0.6 < sum(after) / len(after) < 0.8


def test_stories_say_a_name_that_was_there():
    draw = Draw(3)
    for _ in range(100):
        example = stories.story(draw, "train")
        assert example.answer.strip() in example.prompt


def test_more_repeats_stand_between_the_others(monkeypatch):
    """On a small corpus: all other documents are the same, in the same order."""
    for name in ("fact_documents", "list_documents", "people_documents"):
        monkeypatch.setattr(second_corpus, name, lambda *_: [])
    monkeypatch.setattr(second_corpus, "plan", lambda *_: [])
    monkeypatch.setattr(second_corpus, "SKILLS", (("agreement", 200, 0.0, 1.0), ("course repeat", 20, 0.3, 0.5)))
    monkeypatch.setattr(second_corpus, "MORE_REPEATS", (("course repeat", 30, 0.5, 1.0),))
    monkeypatch.setattr(second_corpus, "LAST_COURSE", {"agreement": 5})
    plain, more = (documents("profiles", 0, range(257, VOCABULARY_SIZE), more) for more in (False, True))
    added = [d for d in more if d not in plain]
    assert len(added) == 30 and {d.kind for d in added} == {"repeat"} and [d for d in more if d in plain] == plain
    assert not any(d in added for d in more[:100]), "they come in the second half"
