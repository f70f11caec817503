"""What is no picture, or a picture made to do harm, is named and said; what can be read is, whatever its name."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from benchmarks.degradations import label
from codegen import confined, photos
from codegen.confined import PREVIEW_SIDE_PX, Reader, ReadPage, Said, open_regular
from codegen.photos import LIMITS, PAGE_POINTS_MAX, Limits, Page, Remark, pages
from codegen.sheets import write_pdf
from codegen.symbols import SymbolFactory
from kernel.errors import InvalidInput, Unavailable

TEXT, GREY = label(np.random.default_rng(5))
STRICT = Limits(page_s_max=20, file_s_max=30)


def packed(kind: str, image: Image.Image | None = None, **more: object) -> bytes:
    out = io.BytesIO()
    (Image.fromarray(GREY) if image is None else image).save(out, kind, **more)
    return out.getvalue()


def opened(content: bytes, name: str = "a", limits: Limits = LIMITS) -> tuple[list[Page], list[str]]:
    found = list(pages(io.BytesIO(content), name, limits))
    return [each for each in found if isinstance(each, Page)], [e.sentence for e in found if isinstance(e, Remark)]


def png(width: int, height: int, data: bytes = b"") -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def pdf(*objects: bytes, pages_count: int = 1, box: str = "0 0 200 200", trailer: bytes = b"") -> bytes:
    """A small PDF: catalogue, page tree, one page object named often, and further objects from number 4."""
    kids = b" ".join([b"3 0 R"] * pages_count)
    own = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[" + kids + b"]/Count %d>>" % pages_count,
        b"<</Type/Page/Parent 2 0 R/MediaBox[" + box.encode() + b"]/Contents 4 0 R/Resources<</XObject<</X 5 0 R>>>>>>",
        *objects,
    ]
    out, offsets = b"%PDF-1.7\n", []
    for number, content in enumerate(own, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n" % number + content + b"\nendobj\n"
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(own) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return out + b"trailer\n<</Size %d/Root 1 0 R" % (len(own) + 1) + trailer + b">>\nstartxref\n%d\n%%%%EOF" % start


def stream(content: bytes, more: bytes = b"") -> bytes:
    return b"<<" + more + b"/Length %d>>stream\n" % len(content) + content + b"\nendstream"


# --- what is read -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", photos.FORMATS)
def test_each_kind_of_picture_is_read_under_any_name(kind: str) -> None:
    (page,), remarks = opened(packed(kind))
    assert page.grey.shape == GREY.shape
    assert abs(page.grey.astype(int) - GREY).mean() < 3
    assert remarks == []


def test_a_renamed_file_is_read_as_what_it_is_and_that_is_said() -> None:
    found, (remark,) = opened(packed("PNG"), "photo.JPG")
    assert len(found) == 1
    assert remark == "photo.JPG is named like a JPEG file and is a PNG file; it was read as what it is."
    out = io.BytesIO()
    Image.fromarray(GREY).save(out, "PDF")
    found, (remark,) = opened(out.getvalue(), "label.png")
    assert found[0].drawn
    assert "is a PDF file" in remark


def test_a_polyglot_is_what_its_first_bytes_say() -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("evil.html", "<script>alert(1)</script>")
    (page,), remarks = opened(packed("PNG") + archive.getvalue() + pdf(stream(b"")), "a.png")
    assert page.grey.shape == GREY.shape
    assert remarks == []


def test_a_photo_taken_sideways_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    wide = Image.fromarray(GREY[:200])
    (page,), _ = opened(packed("JPEG", wide, exif=exif))
    assert page.grey.shape == (GREY.shape[1], 200)


def test_sixteen_bits_and_transparency_become_grey_levels() -> None:
    deep = Image.fromarray((GREY.astype(np.uint16) << 8) | 0xFF)
    assert (opened(packed("PNG", deep))[0][0].grey == GREY).all()
    floating = Image.fromarray(GREY.astype(np.float32) / 255)
    assert np.ptp(opened(packed("TIFF", floating))[0][0].grey) == 255
    clear = Image.new("RGBA", (10, 600), (0, 0, 0, 0))
    assert (opened(packed("PNG", clear))[0][0].grey == 255).all()


def test_all_pages_of_a_tiff_are_read_to_the_limit() -> None:
    frames = [Image.fromarray(GREY)] * 3
    content = packed("TIFF", frames[0], save_all=True, append_images=frames[1:])
    assert [page.number for page in opened(content)[0]] == [1, 2, 3]
    assert len(opened(content, limits=replace(LIMITS, pages_max=3))[0]) == 3
    with pytest.raises(InvalidInput, match="a has more than 2 pages"):
        opened(content, limits=replace(LIMITS, pages_max=2))


def test_an_animation_of_ten_thousand_frames_is_looked_at_in_its_first_ones() -> None:
    first, second = Image.new("1", (1, 1)), Image.new("1", (1, 1), 1)
    content = packed("GIF", first, save_all=True, append_images=[second, first] * 5, duration=20)
    head, frame = content.split(b"\x21\xf9", 1)[0], b"\x21\xf9" + content.split(b"\x21\xf9")[1]
    bomb = head + frame * 10_000 + b";"
    found, (remark,) = opened(bomb, "long.gif")
    assert len(found) == LIMITS.frames_max
    assert remark == "long.gif is an animation; only its first 10 frames were read."
    assert opened(head + frame * 10 + b";")[1] == []
    with Reader(STRICT) as reader:
        assert len(list(reader.read(_file(bomb), "long.gif"))) == LIMITS.frames_max + 1


# --- what is not --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"), (b"just text", "text file"), ("码".encode(), "unknown kind"), (b"PK\x03\x04rest", "ZIP"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"), (b"<?xml version='1.0'?><svg/>", "SVG"),
        (b"<html>", "web page"), (b"\0\0\0\x18ftypheic", "HEIC"), (b"\0\0\0\x18ftypavif", "AVIF"),
        (b"\0\0\0\x18ftypmp42", "film"), (b"\x7fELF", "program"), (b"\0" * 5_000, "unknown kind"),
        (b"\x1f\x8b\x08", "gzip"), (b"\x89PNG\r\n\x1a\n", "damaged"), (b"GIF89a", "damaged"), (b"BM", "damaged"),
        (b"\xff\xd8\xff\xe0", "damaged"), (b"RIFF\0\0\0\0WEBP", "damaged"), (b"II*\0", "damaged"),
        (b"%PDF-1.4\nnothing", "damaged PDF"),
    ],
)  # fmt: skip
def test_what_is_no_picture_is_named_with_what_it_is(content: bytes, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        opened(content, "odd.jpg")
    assert "odd.jpg" in caught.value.message


@pytest.mark.parametrize("kind", photos.FORMATS)
def test_a_picture_that_is_cut_off_is_damaged(kind: str) -> None:
    content = packed(kind, compression="raw") if kind == "TIFF" else packed(kind)
    with pytest.raises(InvalidInput, match=r"cut\.bin is damaged"):
        opened(content[: len(content) // 2], "cut.bin")


def test_a_picture_of_fifty_thousand_by_fifty_thousand_is_refused_by_its_header() -> None:
    content = png(50_000, 50_000, zlib.compress(bytes(1000)))
    with pytest.raises(InvalidInput, match="pixels, above 89,000,000"):
        opened(content, "huge.png")
    with Reader(STRICT) as reader, pytest.raises(InvalidInput, match=r"huge\.png has 50000 x 50000 pixels"):
        list(reader.read(_file(content), "huge.png"))


def test_pixels_are_taken_at_their_edge() -> None:
    limits = replace(LIMITS, pixels_max=100 * 100)
    assert len(opened(packed("PNG", Image.new("1", (100, 100))), limits=limits)[0]) == 1
    with pytest.raises(InvalidInput, match="101 x 100 pixels, above 10,000"):
        opened(packed("PNG", Image.new("1", (101, 100))), limits=limits)


def test_a_text_chunk_that_unpacks_without_end_is_damage() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "x" * 80_000_000, zip=True)
    with pytest.raises(InvalidInput, match="damaged"):
        opened(packed("PNG", pnginfo=info))


WHOLE = [packed(kind, Image.fromarray(GREY[:40, :40])) for kind in (*photos.FORMATS, "PDF")]


@pytest.mark.filterwarnings("ignore")
@given(st.sampled_from(WHOLE), st.lists(st.tuples(st.integers(0, 4_000), st.integers(0, 255)), min_size=1, max_size=8))
@settings(max_examples=150, deadline=None)
def test_a_spoilt_file_is_read_or_refused_and_nothing_else(content: bytes, changes: list[tuple[int, int]]) -> None:
    spoilt = bytearray(content)
    for place, value in changes:
        spoilt[place % len(spoilt)] = value
    with contextlib.suppress(InvalidInput):
        opened(bytes(spoilt), limits=replace(LIMITS, pixels_max=1_000_000, pages_max=5))


# --- PDF ----------------------------------------------------------------------------------------------------


def test_pages_of_a_pdf_are_taken_at_their_edge() -> None:
    content = pdf(stream(b""), stream(b""), pages_count=3)
    assert len(opened(content, limits=replace(LIMITS, pages_max=3))[0]) == 3
    with pytest.raises(InvalidInput, match="has 3 pages, above 2"):
        opened(content, limits=replace(LIMITS, pages_max=2))
    with pytest.raises(InvalidInput, match="has 20,000 pages, above 10,000"):
        opened(pdf(stream(b""), stream(b""), pages_count=20_000))


def test_a_page_box_is_taken_at_its_edge_and_drawn_within_the_pixels() -> None:
    limits = replace(LIMITS, pixels_max=1_000_000)
    ((page,), _) = opened(pdf(stream(b""), stream(b""), box=f"0 0 {PAGE_POINTS_MAX} {PAGE_POINTS_MAX}"), limits=limits)
    assert page.grey.size < 1_010_000
    for box in (f"0 0 {PAGE_POINTS_MAX + 1} 100", "0 0 1000000000 1000000000"):
        with pytest.raises(InvalidInput, match="Page 1 of a measures"):
            opened(pdf(stream(b""), stream(b""), box=box), limits=limits)


def test_a_locked_pdf_is_said_to_be_locked() -> None:
    lock = b"/Encrypt<</Filter/Standard/V 1/R 2/O<" + b"41" * 32 + b">/U<" + b"42" * 32 + b">/P -4>>/ID[<00><00>]"
    with pytest.raises(InvalidInput, match="protected by a password"):
        opened(pdf(stream(b""), stream(b""), trailer=lock))


@pytest.mark.parametrize(
    "content",
    [
        # forms that draw themselves, and each other a thousandfold
        pdf(stream(b"/X Do"), stream(b"/X Do " * 1_000, b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]"
                                     b"/Resources<</XObject<</X 5 0 R>>>>")),
        # arrays in arrays
        pdf(stream(b"[" * 200_000), stream(b"")),
        # brackets without end in the body
        b"%PDF-1.7\n1 0 obj\n" + b"<</A" * 100_000,
        # a page tree that is its own child
        pdf(stream(b""), stream(b"")).replace(b"3 0 R", b"2 0 R", 1),
    ],
    ids=["forms", "arrays", "dictionaries", "tree"],
)  # fmt: skip
def test_a_pdf_nested_without_end_costs_bounded_time(content: bytes) -> None:
    with Reader(replace(STRICT, page_s_max=2)) as reader:
        _read_or_refused(reader, content, "deep.pdf")
    with Reader(STRICT) as reader:
        assert len(list(reader.read(_file(packed("PNG")), "next.png"))) == 1


def test_a_pdf_that_unpacks_to_gigabytes_costs_bounded_memory() -> None:
    squeezed = zlib.compress(bytes(60_000_000), 9)
    twice = zlib.compress(squeezed * 40, 9)
    image = stream(twice, b"/Type/XObject/Subtype/Image/Width 50000/Height 50000/ColorSpace/DeviceGray"
                          b"/BitsPerComponent 8/Filter[/FlateDecode/FlateDecode]")  # fmt: skip
    limits = replace(STRICT, memory_bytes_max=700 << 20)
    with Reader(limits) as reader:
        _read_or_refused(reader, pdf(stream(b"200 0 0 200 0 0 cm /X Do"), image), "bomb.pdf")
        assert len(list(reader.read(_file(packed("PNG")), "next.png"))) == 1


def _read_or_refused(reader: Reader, content: bytes, name: str) -> None:
    """Either is right; that it ends, and ends so, is what counts."""
    with contextlib.suppress(InvalidInput):
        list(reader.read(_file(content), name))


# --- the child ----------------------------------------------------------------------------------------------


def _file(content: bytes) -> io.BufferedRandom:
    file = open(os.memfd_create("test"), "w+b")  # noqa: PTH123, SIM115 (a file of memory, closed by whoever collects it)
    file.write(content)
    file.flush()
    _FILES.append(file)
    return file


_FILES: list[io.BufferedRandom] = []


@pytest.fixture(autouse=True)
def _close_files() -> object:
    yield
    while _FILES:
        _FILES.pop().close()


def test_the_child_reads_what_this_process_reads(tmp_path: Path) -> None:
    factory = SymbolFactory("HTTPS://YIMA.EXAMPLE/Q/")
    codes = np.random.default_rng(1).choice(np.frombuffer(b"0123456789ABCDEFGHJK", np.uint8), (3, 20))
    write_pdf(tmp_path / "a.pdf", codes=[codes], factory=factory)
    with Reader(previews=1) as reader:
        (page,) = reader.read_path(tmp_path / "a.pdf")
        assert isinstance(page, ReadPage)
        assert [symbol.text for symbol in page.symbols] == [factory.text(code) for code in codes]
        assert {symbol.grade for symbol in page.symbols} == {"A"}
        preview = Image.open(io.BytesIO(page.preview))
        assert max(preview.size) == PREVIEW_SIDE_PX
        assert abs(preview.width / preview.height - page.width / page.height) < 0.01
        (said, again) = reader.read(_file(packed("PNG")), "photo.gif")
        assert isinstance(said, Said)
        assert isinstance(again, ReadPage)
        assert [symbol.text for symbol in again.symbols] == [TEXT]


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import os; os.abort()", "breaks what reads it"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "breaks what reads it"),
        ("import sys; sys.exit(0)", "breaks what reads it"),
        ("print('x')\n        channel.send(b'no json\\n')", "breaks what reads it"),
        ("channel.send(b'[1]\\n')", "breaks what reads it"),
        ("channel.send(b'{\"page\": {\"number\": \"x\"}}\\n')", "made to do harm"),
        ("import time; time.sleep(60)", "takes longer to read than is allowed"),
        ("while True: pass", "takes longer to read than is allowed"),
        ("import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 2))\n        while True: pass", "computing"),
    ],
)  # fmt: skip
def test_a_decoder_that_hangs_or_breaks_ends_as_a_sentence_about_the_file(
    monkeypatch: pytest.MonkeyPatch, program: str, words: str
) -> None:
    faulty = f"""
import socket
channel = socket.socket(fileno=0)
channel.send(b'{{"ready": true}}\\n')
while True:
    socket.recv_fds(channel, 1 << 16, 1)
    if True:
        {program}
"""
    limits = replace(LIMITS, page_s_max=10 if words == "computing" else 1)
    with Reader(limits) as reader:
        with monkeypatch.context() as patched:
            patched.setattr(confined, "_PROGRAM", faulty)
            with pytest.raises(InvalidInput, match=words) as caught:
                list(reader.read(_file(b"x"), "odd.png"))
        assert "odd.png" in caught.value.message
        assert len(list(reader.read(_file(packed("PNG")), "next.png"))) == 1, "the next file gets a new child"


def test_a_reader_that_does_not_start_is_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confined, "_PROGRAM", "import socket; socket.socket(fileno=0).send(b'{}\\n')")
    with Reader() as reader, pytest.raises(Unavailable, match="does not start"):
        list(reader.read(_file(b"x"), "a.png"))


def test_the_child_holds_no_secret_and_writes_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("YIMA_SECRET_KEYS", "secret")
    monkeypatch.setattr(
        confined, "_PROGRAM",
        f"""
import json, os, socket
from codegen import confined
def told(*_):
    try:
        with open({str(tmp_path / "left")!r}, "w") as file:
            file.write("x" * 10)
        wrote = True
    except OSError:
        wrote = False
    yield confined.Remark(json.dumps([sorted(name for name in os.environ if "YIMA" in name), wrote]))
confined.read_pages = told
confined.serve()
""",
    )  # fmt: skip
    with Reader() as reader:
        (said,) = reader.read(_file(packed("PNG")), "a.png")
    assert isinstance(said, Said)
    assert said.sentence == "[[], false]"


def test_what_needs_more_memory_than_allowed_is_refused() -> None:
    limits = replace(STRICT, memory_bytes_max=300 << 20)
    with Reader(limits) as reader, pytest.raises(InvalidInput, match="MiB of memory"):
        list(reader.read(_file(packed("BMP", Image.new("RGB", (9_000, 9_000)))), "big.bmp"))


def test_folders_pipes_devices_and_what_is_missing_are_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "long.png").write_bytes(bytes(11))
    with Reader(replace(LIMITS, bytes_max=10)) as reader:
        for path, words in (
            (tmp_path, "a directory"), (tmp_path / "pipe", "no regular file"),
            (Path("/dev/zero"), "no regular file"),
            (tmp_path / "gone.png", "No such file"), (tmp_path / "long.png", "11 bytes, above 10"),
        ):  # fmt: skip
            with pytest.raises(InvalidInput, match=words) as caught:
                list(reader.read_path(path))
            assert str(path) in caught.value.message
    (tmp_path / "long.png").write_bytes(bytes(10))
    open_regular(tmp_path / "long.png", 10).close()
