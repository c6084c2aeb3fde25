"""A sortable table is whole in itself, and as safe as any other output."""

import re

import pandas as pd

from helpers.studies.atlas_of_circuits.sortable_table import SortableTable

TABLE = pd.DataFrame({"name": ["b", "<i>a</i>"], "edges": [10, 9], "kept": [0.123456, float("nan")]})


def test_the_table_brings_all_that_it_needs():
    page = SortableTable(TABLE, "Click & sort")._repr_html_()
    assert 'class="dataframe sortable"' in page and "<caption>Click &amp; sort</caption>" in page
    assert "&lt;i&gt;a&lt;/i&gt;" in page and "0.12" in page and "0.123456" not in page and "<td>NaN" not in page
    assert len(re.findall('<th scope="col"', page)) == 3
    assert " src=" not in page and "http" not in page and len(page) < 5000


def test_a_second_table_does_not_listen_again():
    script = re.search(r"<script>(.*)</script>", SortableTable(TABLE, "x")._repr_html_(), re.S)[1]
    guard, listening = "if(!window.kcSortable){window.kcSortable=true;", 'document.addEventListener("click"'
    assert script.startswith(guard) and script.count(listening) == 1
    opened = [script[:end].count("{") - script[:end].count("}") for end in (script.index(listening), len(script))]
    assert opened == [1, 0], "the page listens inside the guard"
