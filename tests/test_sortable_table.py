"""A sortable table is whole in itself, and as safe as any other output."""

import re
import shutil
import subprocess

import pandas as pd
import pytest

from helpers.sortable_table import SortableTable

TABLE = pd.DataFrame({"name": ["b", "<i>a</i>"], "edges": [10, 9], "kept": [0.123456, float("nan")]})


def test_the_table_brings_all_that_it_needs():
    page = SortableTable(TABLE, "Click & sort")._repr_html_()
    assert 'class="dataframe sortable"' in page and "<caption>Click &amp; sort</caption>" in page
    assert "&lt;i&gt;a&lt;/i&gt;" in page and "0.12" in page and "0.123456" not in page and "<td>NaN" not in page
    assert len(re.findall('<th scope="col"', page)) == 3
    assert " src=" not in page and "http" not in page and len(page) < 5000


@pytest.mark.skipif(not shutil.which("node"), reason="needs node")
def test_the_script_can_be_read_and_listens_once():
    script = re.search(r"<script>(.*)</script>", SortableTable(TABLE, "x")._repr_html_(), re.S)[1]
    head = "let n=0;globalThis.window=globalThis;globalThis.document={addEventListener:(k)=>{if(k=='click')n++},"
    head += "querySelectorAll:()=>[]};"
    done = subprocess.run(
        ["node", "-e", f"{head}{script};\n{script};\nconsole.log(n)"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "1"
