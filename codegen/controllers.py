"""Layouts that come with the house: for spreadsheets, and for the controllers of inkjet and laser markers. Pure.

Makers' software reads delimited text, but which delimiter, encoding and line end is set up there by whoever
installs the line; no format is prescribed. These are starting points by the usual settings; **none was tried on
a machine**. A brand copies one and changes what its line needs.
"""

from __future__ import annotations

from typing import Final

from codegen.columns import PLAIN, Column, DataLayout

_URL: Final = Column("url", "outer", title="URL")
_CODE: Final = Column("code", "outer", title="CODE")
_GROUPED: Final = Column("grouped", "outer", title="TEXT")
_LINE: Final = Column("line", title="LINE")

BUILT_IN: Final[dict[str, DataLayout]] = {
    each.name: each
    for each in (
        PLAIN,
        DataLayout(
            name="spreadsheet", extension=".csv", header=True, line_end="crlf", encoding="utf-8-bom", spreadsheet=True,
            columns=(_LINE, _URL, _GROUPED, Column("gtin", title="GTIN"), Column("batch", title="BATCH"),
                     Column("product", title="PRODUCT")),
            note="To look at in a spreadsheet: a header, a byte order mark, formulas neutralised.",
        ),
        DataLayout(
            name="spreadsheet-gb", extension=".csv", header=True, line_end="crlf", encoding="gb18030",
            spreadsheet=True,
            columns=(_LINE, _URL, _GROUPED, Column("gtin", title="GTIN"), Column("product", title="品名")),
            note="The same in GB18030, for older Chinese Windows programs.",
        ),
        DataLayout(
            name="pair-columns", extension=".csv", header=True, line_end="crlf",
            columns=(_LINE, Column("url", "outer", title="OUTER"), Column("url", "inner", title="INNER")),
            note="A pair a row, with its line: two heads on one line, or pairing afterwards.",
        ),
        DataLayout(
            name="outer-only", columns=(_URL,), note="Outer codes alone: the file for the printer of the pack.",
        ),
        DataLayout(
            name="inner-only", columns=(Column("url", "inner", title="URL"),),
            note="Inner codes alone: the file for the printer of the cap.",
        ),
        DataLayout(
            name="domino", extension=".csv", line_end="crlf", columns=(_URL, _GROUPED), quoting="none",
            note="Domino (QuickDesign): comma, CR LF, no header; URL for the symbol, groups of four for people.",
        ),
        DataLayout(
            name="videojet", extension=".csv", header=True, line_end="crlf", encoding="utf-8-bom", quoting="none",
            columns=(_LINE, _URL, _GROUPED),
            note="Videojet (CLARiSUITE): header of field names, comma, CR LF, UTF-8 with its mark.",
        ),
        DataLayout(
            name="markem-imaje", extension=".csv", header=True, line_end="crlf", delimiter=";", quoting="none",
            columns=(_LINE, _URL, _CODE),
            note="Markem-Imaje (CoLOS, a text file by ODBC): header, semicolon, CR LF.",
        ),
        DataLayout(
            name="linx", line_end="crlf", columns=(_URL,), quoting="none",
            note="Linx (remote fields, one a print): one URL a line, CR LF.",
        ),
        DataLayout(
            name="hitachi", line_end="cr", columns=(_URL, _GROUPED), delimiter="\t", quoting="none",
            note="Hitachi (serial transmission of fields): tab, CR alone.",
        ),
        DataLayout(
            name="keyence-laser", extension=".csv", line_end="crlf", columns=(_URL, _CODE), quoting="none",
            note="Keyence laser markers (Marking Builder): comma, CR LF, one row a mark.",
        ),
        DataLayout(
            name="fixed-length", extension=".dat", line_end="crlf", delimiter="~", quoting="none",
            columns=(Column("line", title="LINE", width=9), _URL, _CODE, Column("crc32", "outer", title="CHECK")),
            note="Addressing machines that want records of one length, with a check column.",
        ),
        DataLayout(
            name="laser-gb", line_end="crlf", encoding="gb18030", quoting="none",
            columns=(_URL, _GROUPED, Column("product", title="品名")),
            note="Domestic inkjet and laser controllers that read GB18030 text.",
        ),
    )
}  # fmt: skip
"""By name. None of the makers named has any part in this, and the names are theirs."""
