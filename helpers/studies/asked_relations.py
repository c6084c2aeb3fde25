"""The relations that SmolLM2 and Atlas are asked where both are compared, each with the template that asks it."""

from __future__ import annotations

from helpers.prompts.relations import relations
from helpers.studies.tables import read_table

REAL_MODEL = "smollm2"
INVENTED = ("fiction", "people", "firms")
TWO_STEPS = ("person_employer_seat", "resident_firm_owner", "resident_firm_product", "resident_firm_seat")


def asked_templates(name: str) -> dict[str, int]:
    """The relations that a model may be asked, each with a template: SmolLM2's best one, the first one in Atlas.

    Atlas is asked the same relations, and those that it alone can know: the invented ones, unless they take two steps.
    """
    real = read_table("smollm2_circuits").groupby("relation", sort=False).template.first().to_dict()
    return (
        real
        if name == REAL_MODEL
        else dict.fromkeys([*real, *(r for r in relations(*INVENTED) if r not in TWO_STEPS)], 0)
    )
