"""PDFs of single pages bound to one book: outline, numbers at the foot, and links that lead to places inside it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, DictionaryObject, Fit, NameObject, NullObject, NumberObject

Place = tuple[int, float | None]  # a sheet of the whole, and a height on it


@dataclass(frozen=True)
class Part:
    """A page of the book that was printed.

    Attributes:
        pdf: the file.
        address: from where it was printed; links to it, or into it, become links inside the book.
        title: for the outline.
        sections: titles and anchors of its sections, for the outline too.
    """

    pdf: Path
    address: str
    title: str
    sections: Sequence[tuple[str, str]] = ()


def places(reader: PdfReader, first: int) -> dict[str, Place]:
    """The named places of a PDF whose first sheet is number ``first`` of the whole."""
    found = {}
    for name, target in reader.named_destinations.items():
        sheet = reader.get_destination_page_number(target)
        if sheet is not None and sheet >= 0:
            top = target.top
            found[unquote(str(name)).lstrip("/")] = first + sheet, None if top is None else float(top)
    return found


def bind(front: Path, feet: Path, parts: Sequence[Part]) -> PdfWriter:
    """One book of a front part and the printed pages.

    Args:
        front: the title and the contents; their links say ``kc:N``, where N counts the pages.
        feet: a PDF with one sheet for each sheet of the pages, laid over it.
        parts: the pages.
    """
    writer, readers = PdfWriter(), [PdfReader(part.pdf) for part in parts]
    sheets = [*PdfReader(front).pages, *(sheet for reader in readers for sheet in reader.pages)]
    for sheet in sheets:
        writer.add_page(sheet)
    starts = first_sheets(len(sheets) - sum(len(reader.pages) for reader in readers), readers)
    for sheet, foot in zip(writer.pages[starts[0] :], PdfReader(feet).pages, strict=True):
        sheet.merge_page(foot)
        sheet.compress_content_streams()  # merging has unpacked them
    named = [places(reader, start) for reader, start in zip(readers, starts, strict=True)]
    known = {f"kc:{n}": (start, None) for n, start in enumerate(starts)}
    for part, start, inside in zip(parts, starts, named, strict=True):
        known |= {part.address: (start, None)} | {f"{part.address}#{name}": place for name, place in inside.items()}
    for number, sheet in enumerate(writer.pages):
        part = bisect_right(starts, number) - 1
        link_up(writer, sheet, known, named[part] if part >= 0 else {})
    for part, start, inside in zip(parts, starts, named, strict=True):
        above = writer.add_outline_item(part.title, start)
        for title, name in part.sections:
            if name in inside:
                sheet, top = inside[name]
                writer.add_outline_item(title, sheet, parent=above, fit=Fit.xyz(top=top))
    return writer


def first_sheets(first: int, readers: Sequence[PdfReader]) -> list[int]:
    """The number of the first sheet of each PDF, if those of the first one begin with ``first``."""
    return list(accumulate((len(reader.pages) for reader in readers[:-1]), initial=first))


def link_up(writer: PdfWriter, sheet, known: Mapping[str, Place], inside: Mapping[str, Place]) -> None:
    """Make the links of a sheet lead to sheets of the whole; drop those that would lead to a file of this machine."""
    kept = ArrayObject()
    for reference in sheet.get("/Annots") or ():
        annotation = reference.get_object()
        name, address = _target(annotation)
        place = inside.get(name) if name else known.get(address, known.get(address.partition("#")[0]))
        if place:
            for key in ("/A", "/Dest"):
                annotation.pop(NameObject(key), None)
            annotation[NameObject("/Dest")] = _explicit(writer, place)
        if place or urlsplit(address).scheme in ("http", "https", "mailto"):
            kept.append(reference)
    if "/Annots" in sheet:
        sheet[NameObject("/Annots")] = kept


def _target(annotation: DictionaryObject) -> tuple[str, str]:
    """The name inside the document or the address outside to which an annotation leads; one of them is empty."""
    action = annotation.get("/A")
    action = action.get_object() if action is not None else {}
    name = annotation.get("/Dest") or action.get("/D") or ""
    return unquote(str(name)).lstrip("/"), unquote(str(action.get("/URI", "")))


def _explicit(writer: PdfWriter, place: Place) -> ArrayObject:
    number, top = place
    height = NullObject() if top is None else NumberObject(round(top))
    return ArrayObject(
        [writer.pages[number].indirect_reference, NameObject("/XYZ"), NullObject(), height, NullObject()]
    )
