"""Pages bound to one PDF: numbers, outline, and links that stay inside."""

import pytest
from _tools.pdf_binding import Part, bind
from pypdf import PdfReader, PdfWriter
from pypdf.annotations import Link
from pypdf.generic import NameObject, TextStringObject

ADDRESSES = ["file:///book/one.html", "file:///book/two.html"]
RECTANGLE = (10, 10, 60, 20)


def pdf(path, sheets, links=(), places=()):
    """A PDF of blank sheets with links on the first one and named places ``(name, sheet)``."""
    writer = PdfWriter()
    for _ in range(sheets):
        writer.add_blank_page(200, 300)
    for link in links:
        writer.add_annotation(0, Link(rect=RECTANGLE, url="x" if link.startswith("#") else link))
        if link.startswith("#"):
            annotation = writer.pages[0]["/Annots"][-1].get_object()
            del annotation["/A"]
            annotation[NameObject("/Dest")] = TextStringObject(link[1:])
    for name, sheet in places:
        writer.add_named_destination(name, sheet)
    writer.write(path)
    return path


@pytest.fixture()
def bound(tmp_path):
    front = pdf(tmp_path / "front.pdf", 2, ["kc:1"])
    first = pdf(
        tmp_path / "one.pdf",
        2,
        ["#here", ADDRESSES[1] + "#there", ADDRESSES[1], "https://example.org/", "file:///etc/passwd"],
        [("here", 1)],
    )
    second = pdf(tmp_path / "two.pdf", 3, [ADDRESSES[0] + "#gone"], [("there", 2), ("here", 0)])
    feet = pdf(tmp_path / "feet.pdf", 5)
    parts = [
        Part(first, ADDRESSES[0], "One", [("1.1 Here", "here"), ("1.2 Gone", "gone")]),
        Part(second, ADDRESSES[1], "Two", [("2.1 There", "there")]),
    ]
    bind(front, feet, parts).write(tmp_path / "book.pdf")
    return PdfReader(tmp_path / "book.pdf")


def leads_to(reader, number):
    """Where the links of a sheet lead: numbers of sheets, or addresses."""
    found = []
    for reference in reader.pages[number].get("/Annots", ()):
        annotation = reference.get_object()
        if "/A" in annotation:
            found.append(annotation["/A"]["/URI"])
        else:
            target = annotation["/Dest"][0].get_object()
            found.append(next(n for n, page in enumerate(reader.pages) if page.get_object() == target))
    return found


def test_all_sheets_are_there(bound):
    assert len(bound.pages) == 2 + 2 + 3


def test_links_lead_to_places_inside_or_to_the_web(bound):
    assert leads_to(bound, 0) == [4], "from the contents to the second page"
    assert leads_to(bound, 2) == [3, 6, 4, "https://example.org/"], "and none to a file of this machine"
    assert leads_to(bound, 4) == [2], "to the page, where the place isn't there"


def test_the_outline_has_pages_and_their_sections(bound):
    titles = [[e.title for e in entry] if isinstance(entry, list) else entry.title for entry in bound.outline]
    assert titles == ["One", ["1.1 Here"], "Two", ["2.1 There"]]
    sheets = [bound.get_destination_page_number(e) for e in (bound.outline[1][0], bound.outline[3][0])]
    assert sheets == [3, 6]


def test_feet_have_to_be_as_many_as_sheets(tmp_path):
    front, one = pdf(tmp_path / "front.pdf", 1), pdf(tmp_path / "one.pdf", 2)
    with pytest.raises(ValueError, match="shorter"):
        bind(front, pdf(tmp_path / "feet.pdf", 1), [Part(one, ADDRESSES[0], "One")])
