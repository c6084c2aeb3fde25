"""The second Atlas's tests ask what its training kept back, and know a right answer from a wrong one."""

import pytest
import torch

from helpers.atlas import stories
from helpers.atlas.abilities import measure, skill_examples
from helpers.atlas.clans import compositions
from helpers.atlas.release import examinee
from helpers.atlas.second_abilities import facts_of, second_abilities
from helpers.models.load import model_folder


def test_the_bars_are_the_issues():
    bars = {a.name: a.bar for a in second_abilities("profiles")}
    assert len(bars) == len(second_abilities("profiles")), "a name twice"
    asked = {"indirect object": 0.95, "greater-than, cutoff in place": 0.5, "induction on random tokens": 0.95}
    asked |= {"few-shot, novel pairs": 0.95, "two-hop clans, held out": 0.6}
    assert {name: bars[name] for name in asked} == asked


def test_compositions_are_asked_by_what_training_did_with_them():
    for group in ("taught", "held out", "unseen step"):
        asked = facts_of("profiles", "clans", group, hops=True)
        assert len(asked) > 100 and {f.group for _, f in asked} == {group}
        assert all(f in compositions()[t.name].facts for t, f in asked[:20])
        assert {f.exposures > 0 for _, f in asked} == {group == "taught"}
    steps = facts_of("plain", "clans")
    assert steps and all("hops" not in t.properties for t, _ in steps)


def test_indirect_objects_are_asked_in_new_forms():
    for example in skill_examples(stories.indirect_object, 0.2):
        for kind in (stories.OPENINGS, stories.ACTIONS):
            for form in stories.forms(kind, "train"):
                words = form.split("{")[-1].split("}")[-1].strip(" ,.")
                assert not words or len(words.split()) < 3 or words not in example.prompt


@pytest.mark.parametrize("told", ["profiles", "plain"])
def test_who_was_never_told_knows_nothing_of_people(told):
    """The first Atlas is no chance level, but it has read none of this."""
    named = ("people, taught paraphrases", "people, held-out paraphrases", "clans", "two-hop clans, held out")
    tests = [a for a in second_abilities(told) if a.name in named]
    assert len(tests) == len(named)
    table = measure(examinee(model_folder("atlas")), 0.1, False, tests).set_index("ability")
    assert (table.value < 0.15).all() and not table.met.any(), table.to_string()


def test_who_says_the_answer_is_right():
    """An examinee that looks every answer up in the tables meets the bar of people."""
    subject = examinee(model_folder("atlas"))
    (asked,) = [a for a in second_abilities("profiles") if a.name == "people, taught paraphrases"]
    answers = {}
    for table, fact in facts_of("profiles", "people"):
        for form in range(len(table.templates)):
            ids = tuple(subject.tokenizer.encode(table.prompt(fact, form)))
            both = subject.tokenizer.encode(f"{table.prompt(fact, form)} {fact.answer}")
            answers[ids] = both[len(ids)]

    def look_up(tokens):
        logits = torch.zeros(*tokens.shape, len(subject.tokenizer))
        for row, ids in enumerate(tokens.tolist()):
            for stop in range(1, len(ids) + 1):
                if tuple(ids[:stop]) in answers:
                    logits[row, stop - 1, answers[tuple(ids[:stop])]] = 1
        return logits

    values = torch.as_tensor(asked.run(type(subject)(look_up, subject.tokenizer), 0.2))
    assert values.mean() >= asked.bar
