"""What loads, and what one gets: two families that differ in it, and one that can't be read."""

from helpers.studies.your_own_model import families
from helpers.studies.your_own_model.families import FAMILIES, tried


def test_a_covered_family_has_circuits():
    assert tried("GPT2Config") == dict(loads=True, hooks=True, circuits=True, why="")


def test_another_family_has_hooks_and_says_what_it_lacks():
    row = tried("Qwen2Config")
    assert row["loads"] and row["hooks"] and not row["circuits"]
    assert "qwen2" in row["why"] and "gpt2 and llama" in row["why"]


def test_what_doesnt_load_says_why(monkeypatch):
    monkeypatch.setattr(families, "save_tiny", lambda config, folder: (folder / "config.json").write_text("{}"))
    row = tried("GPT2Config")
    assert not (row["loads"] or row["hooks"] or row["circuits"]) and "tokenizer.json" in row["why"]


def test_families_are_configurations_of_transformers():
    import transformers

    assert all(hasattr(transformers, config) for config in FAMILIES) and len(FAMILIES) >= 7
