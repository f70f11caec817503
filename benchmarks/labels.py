"""Symbols and labels: ours beside the usual libraries, on the same texts in the same run.

Every peer makes a symbol of version 3, level M and alphanumeric mode, as a matrix of modules. With a fixed mask
they are equal; the best mask is ours and qrcode's alike, while segno and zxing-cpp weigh it a little otherwise.

Data files and labels are written to a temporary file. Peak memory is that of a child process which does nothing
else.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import zxingcpp
from qrcode import constants
from qrcode.main import QRCode
from qrcode.util import MODE_ALPHA_NUM, QRData
from reportlab.pdfgen.canvas import Canvas

from codegen import samples
from codegen.controllers import BUILT_IN as LAYOUTS
from codegen.datafiles import write
from codegen.labelruns import LabelRun
from codegen.sheets import write_pdf
from codegen.stationery import A4_80, ROLL_30X40
from codegen.symbols import FIXED_MASK, Bytes, SymbolFactory
from codegen.tspl import write_tspl
from codegen.zpl import write_zpl
from kernel.errors import ConfigurationError

PREFIX: Final = "HTTPS://YIMA.EXAMPLE/Q/"
_BATCH: Final = 20_000  # 17 MB of modules
_PEER_SECONDS: Final = 2.0
_LONG: Final = 5  # times as much work
_PDF_LABELS: Final = 100_000


def run(long: bool = False) -> list[dict[str, Any]]:  # one shape for every benchmark
    """Measure symbols and labels per second.

    Args:
        long: Measure five times as much.

    Returns:
        Rows of name, value, unit, peer, peer_value and ratio (ours to the peer's). The headline is symbols of
        one mask per second, beside `qrcode`.
    """
    times = _LONG if long else 1
    peak = _pdf_peak_mib()
    codes = _codes(_BATCH)
    texts = [PREFIX + code.tobytes().decode() for code in codes[:4000]]
    fixed = SymbolFactory(PREFIX, mask=FIXED_MASK)
    best = SymbolFactory(PREFIX, mask=None)
    ours_fixed = _batches_per_second(fixed, codes, 25 * times)
    ours_best = _batches_per_second(best, codes, 5 * times)
    labels = _pdf_labels_per_second(fixed, _PDF_LABELS)

    def rate(draw: Callable[[str], object]) -> float:
        return _texts_per_second(draw, texts, _PEER_SECONDS * times)

    segno = _segno()
    qrcode_fixed = rate(lambda text: _draw_qrcode(text, FIXED_MASK))
    segno_fixed = rate(lambda text: _draw_segno(segno, text, FIXED_MASK))
    unit = "symbols/s"
    return [
        _row("headline", ours_fixed, unit, "qrcode", qrcode_fixed),
        _row("fixed mask", ours_fixed, unit, "segno", segno_fixed),
        _row("fixed mask", ours_fixed, unit, "zxing-cpp", rate(lambda text: _draw_zxing(text, FIXED_MASK))),
        _row("best mask", ours_best, unit, "qrcode", rate(lambda text: _draw_qrcode(text, None))),
        _row("best mask", ours_best, unit, "segno", rate(lambda text: _draw_segno(segno, text, None))),
        _row("best mask", ours_best, unit, "zxing-cpp", rate(lambda text: _draw_zxing(text, None))),
        _row("PDF labels", labels, "labels/s", "reportlab", _reportlab_labels_per_second(texts, times)),
        _lone("PDF of 100,000 labels, peak memory", peak, "MiB"),
        *_printer_rows(fixed, 2_000 * times),
        *_layout_rows(1_000_000 * times),
    ]


def _row(name: str, value: float, unit: str, peer: str, peer_value: float) -> dict[str, Any]:
    return {
        "name": name,
        "value": round(value, 1),
        "unit": unit,
        "peer": peer,
        "peer_value": round(peer_value, 1),
        "ratio": round(value / peer_value, 1),
    }


def _lone(name: str, value: float, unit: str) -> dict[str, Any]:
    """A row that no peer has."""
    return {"name": name, "value": round(value, 1), "unit": unit, "peer": None, "peer_value": None, "ratio": None}


def _printer_rows(factory: SymbolFactory, count: int) -> list[dict[str, Any]]:
    """Labels for printers, with the symbol made by the printer and dot by dot, 30 x 40 mm at 203 dpi."""
    run = LabelRun(factory, ROLL_30X40, {"product": "陈年花雕酒"})
    codes = _codes(count)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, write_labels in (("ZPL", write_zpl), ("TSPL", write_tspl)):
            for graphic in (False, True):
                start = time.perf_counter()
                write_labels(Path(folder) / "labels", run, [codes], dpi=203, graphic=graphic)
                kind = "graphic" if graphic else "native"
                rows.append(_lone(f"{name} labels, {kind}", count / (time.perf_counter() - start), "labels/s"))
    return rows


def _layout_rows(count: int) -> list[dict[str, Any]]:
    """Data files in layouts with columns, hashed as they are written."""
    rows = []
    for name in ("plain", "domino", "spreadsheet", "pair-columns", "fixed-length"):
        batch = samples.batch(paired=name == "pair-columns")
        with tempfile.TemporaryFile() as out:
            start = time.perf_counter()
            write(out, LAYOUTS[name], batch, samples.KEY, [(1, count)], product="陈年花雕酒")
            out.flush()
            rows.append(_lone(f"data file, {name}", count / (time.perf_counter() - start), "rows/s"))
    return rows


def _pdf_peak_mib() -> float:
    """Peak memory of a process that prints a PDF of 100,000 labels."""
    program = (
        "import resource, sys\nfrom benchmarks import labels\n"
        "labels.print_for_memory()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == 'darwin' else 1024))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return int(done.stdout.split()[-1]) / 2**20


def print_for_memory() -> None:
    """What the child process does."""
    _pdf_labels_per_second(SymbolFactory(PREFIX, mask=FIXED_MASK), _PDF_LABELS)


def _codes(count: int, seed: int = 1) -> Bytes:
    alphabet = np.frombuffer(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ", np.uint8)
    return np.random.default_rng(seed).choice(alphabet, (count, 20))


def _batches_per_second(factory: SymbolFactory, codes: Bytes, batches: int) -> float:
    factory.render(codes)
    start = time.perf_counter()
    for _ in range(batches):
        factory.render(codes)
    return batches * len(codes) / (time.perf_counter() - start)


def _texts_per_second(draw: Callable[[str], object], texts: list[str], seconds: float) -> float:
    """Draw one text after the other, from the beginning again if need be, until the time is up."""
    draw(texts[0])
    count = 0
    start = time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        draw(texts[count % len(texts)])
        count += 1
    return count / elapsed


def _draw_qrcode(text: str, mask: int | None) -> Any:  # noqa: ANN401  # the library has no types
    symbol = QRCode(version=3, error_correction=constants.ERROR_CORRECT_M, mask_pattern=mask)
    symbol.add_data(QRData(text, mode=MODE_ALPHA_NUM, check_data=True))
    symbol.make(fit=False)
    return symbol.modules


def _segno() -> Any:  # noqa: ANN401  # the library has no types
    try:
        import segno  # noqa: PLC0415  # a peer only: nobody needs it to run the product
    except ImportError as error:
        raise ConfigurationError("`yima bench labels` needs the package segno, one of the peers.") from error
    return segno


def _draw_segno(segno: Any, text: str, mask: int | None) -> object:  # noqa: ANN401  # the library has no types
    return segno.make_qr(text, version=3, error="m", mode="alphanumeric", mask=mask, boost_error=False).matrix


def _draw_zxing(text: str, mask: int | None) -> object:
    fixed = {} if mask is None else {"data_mask": mask}
    symbol = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="M", version=3, **fixed)
    return np.array(symbol.to_image(scale=1, add_quiet_zones=False))


def _pdf_labels_per_second(factory: SymbolFactory, count: int) -> float:
    def batches() -> Iterator[Bytes]:
        for start in range(0, count, 10_000):
            yield _codes(min(10_000, count - start), start)

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        write_pdf(Path(folder) / "labels.pdf", codes=batches(), factory=factory, title="陈年花雕酒")
        return count / (time.perf_counter() - start)


def _reportlab_labels_per_second(texts: list[str], times: int) -> float:
    """The usual way: `qrcode` makes each symbol, reportlab draws its modules as one path, same sheet."""
    texts = texts[: 800 * times]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        canvas = Canvas(str(Path(folder) / "labels.pdf"))
        for index, text in enumerate(texts):
            cell = index % A4_80.labels
            if index and cell == 0:
                canvas.showPage()
            _draw_reportlab(canvas, text, cell)
        canvas.save()
        return len(texts) / (time.perf_counter() - start)


def _draw_reportlab(canvas: Any, text: str, cell: int) -> None:  # noqa: ANN401  # the library has no types
    left, top = A4_80.label_origin_mm(cell)
    modules = _draw_qrcode(text, FIXED_MASK)
    canvas.saveState()
    canvas.scale(72 / 25.4, 72 / 25.4)
    canvas.translate(left, A4_80.page_mm[1] - top)
    side = A4_80.symbol_mm / len(modules)
    path = canvas.beginPath()
    for y, row in enumerate(modules):
        for x, dark in enumerate(row):
            if dark:
                path.rect(x * side, -(y + 1) * side, side, side)
    canvas.drawPath(path, stroke=0, fill=1)
    canvas.setFont("Helvetica", 2)
    canvas.drawString(0, -A4_80.symbol_mm - 3, text[-20:])
    canvas.restoreState()


if __name__ == "__main__":
    for row in run():
        print(row)
