"""Writes a table as an Excel workbook, row by row, in bounded memory.

The parts of a workbook and their names are those of Office Open XML (ECMA-376, SpreadsheetML).
"""

import math
import re
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Self
from xml.sax.saxutils import escape

from cpexport.errors import UsageError

# Excel specifications and limits (support.microsoft.com).
ROWS: Final = 1_048_576
"""The most rows of a sheet, with the header."""
COLUMNS: Final = 16_384
CHARACTERS: Final = 32_767
"""The most characters of a cell."""
_DIGITS: Final = 15
_NAME: Final = 31

_ADVICE: Final = "choose fewer with --columns or --where, or write .csv or .parquet"
_UNFIT: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# Excel reads _x0041_ as the character with that code.
_CODE: Final = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
_HEAD: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_PARTS: Final = {
    "[Content_Types].xml": (
        f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPE}.worksheet+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.styles+xml"/></Types>'
    ),
    "_rels/.rels": (
        f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
        f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
    ),
    "xl/_rels/workbook.xml.rels": (
        f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="rId2" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>'
    ),
    # The second style is that of the header: bold.
    "xl/styles.xml": (
        f'<styleSheet xmlns="{_MAIN}"><fonts count="2"><font><sz val="11"/></font>'
        '<font><b/><sz val="11"/></font></fonts><fills count="2">'
        '<fill><patternFill patternType="none"/></fill>'
        '<fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border>'
        "<left/><right/><top/><bottom/><diagonal/></border></borders>"
        '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/>'
        '</cellStyleXfs><cellXfs count="2">'
        '<xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
        '<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/></cellXfs>'
        '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
        "</styleSheet>"
    ),
}


class Workbook:
    """A workbook with one sheet. It is complete when it is closed without an error.

    Raises:
        UsageError: the table does not fit into a sheet.
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, name: str, columns: Sequence[str]) -> None:
        if len(columns) > COLUMNS:
            raise UsageError(
                f"{name}: {len(columns):,} columns, and a sheet of Excel has {COLUMNS:,}; {_ADVICE}"
            )
        self._name, self._columns, self._rows = name, columns, 0
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        sheet = re.sub(r"[\[\]:*?/\\]", "_", name)[:_NAME]
        texts = _PARTS | {
            "xl/workbook.xml": (
                f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
                f'<sheet name="{_quoted(sheet)}" sheetId="1" r:id="rId1"/></sheets></workbook>'
            )
        }
        for part, text in texts.items():
            self._zip.writestr(part, _HEAD + text)
        self._sheet = self._zip.open("xl/worksheets/sheet1.xml", "w", force_zip64=True)
        self._put(
            f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">'
            '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
            "</sheetView></sheetViews><sheetData>"
        )
        self.write([columns], ' s="1"')

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._put("</sheetData></worksheet>")
            self._sheet.close()
        finally:
            self._zip.close()

    def write(self, rows: Iterable[Sequence[object]], style: str = "") -> None:
        """Adds rows: None and NaN become empty cells, infinite numbers become texts."""
        lines = []
        for row in rows:
            self._rows += 1
            if self._rows > ROWS:
                raise UsageError(
                    f"{self._name}: more than {ROWS - 1:,} rows, the most of a sheet of Excel; "
                    f"{_ADVICE}"
                )
            lines.append(f"<row>{''.join(self._cell(value, style) for value in row)}</row>")
        self._put("".join(lines))

    def _cell(self, value: object, style: str) -> str:
        if value is None or value != value:
            return "<c/>"
        if isinstance(value, float) and math.isfinite(value):
            return f"<c><v>{value!r}</v></c>"
        if isinstance(value, int) and len(str(abs(value))) <= _DIGITS:
            return f"<c><v>{int(value)}</v></c>"
        # Excel would round whole numbers of more digits.
        text = str(value)
        if len(text) > CHARACTERS:
            raise UsageError(
                f"{self._name}: row {self._rows} has a text of {len(text):,} characters, and a "
                f"cell of Excel has {CHARACTERS:,}; {_ADVICE}"
            )
        return f'<c t="inlineStr"{style}><is><t xml:space="preserve">{_quoted(text)}</t></is></c>'

    def _put(self, text: str) -> None:
        self._sheet.write(text.encode())


def _quoted(text: str) -> str:
    return escape(_CODE.sub("_x005F_", _UNFIT.sub("\ufffd", text)), {'"': "&quot;"})
