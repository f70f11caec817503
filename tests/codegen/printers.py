"""Two label printers of paper: they parse what we send, as their manuals say, and put ink on a picture.

Symbols are made by segno, which has no part in the product.
"""

from __future__ import annotations

import re

import numpy as np
import segno

BQ = re.compile(r"\^BQN,2,(\d+),([LMQH])(?:,([0-7]))?\^FD([LMQH])M,A(.*)", re.DOTALL)
GF = re.compile(r"\^GFA,(\d+),(\d+),(\d+),(.*)", re.DOTALL)
FIELD = re.compile(r"\^FO(\d+),(\d+)(.*?)\^FS\n", re.DOTALL)
REPEATS = {chr(ord("G") + n): n + 1 for n in range(19)} | {chr(ord("g") + n): 20 * (n + 1) for n in range(20)}


def qr(text: str, level: str, mask: int | None) -> np.ndarray:
    """An alphanumeric symbol by another encoder."""
    symbol = segno.make_qr(text, error=level, mode="alphanumeric", mask=mask, boost_error=False)
    return np.array([list(row) for row in symbol.matrix], dtype=np.uint8) == 1


def inflate(data: str, row_bytes: int) -> list[str]:
    """Rows of hexadecimal digits out of ZPL's compression."""
    rows: list[str] = []
    row, repeat = "", 0
    for sign in data:
        if sign == ":":
            assert not row
            rows.append(rows[-1])
        elif sign in ",!":
            row = row.ljust(2 * row_bytes, "0" if sign == "," else "F")
        elif sign in REPEATS:
            repeat += REPEATS[sign]
            continue
        else:
            assert sign in "0123456789ABCDEF", sign
            row += sign * max(repeat, 1)
        repeat = 0
        if len(row) == 2 * row_bytes:
            rows.append(row)
            row = ""
        assert len(row) < 2 * row_bytes
    assert not row
    return rows


class Paper:
    """A label: its picture in grey levels, the symbols' texts, the lines of text with their places."""

    def __init__(self, width: int, height: int) -> None:
        self.ink = np.zeros((height, width), np.bool_)
        self.symbols: list[tuple[int, int, int, str]] = []
        self.lines: list[tuple[int, int, int, str]] = []

    def put(self, x: int, y: int, dots: np.ndarray) -> None:
        height, width = dots.shape
        assert x >= 0
        assert y >= 0
        area = self.ink[y : y + height, x : x + width]
        rest = dots[area.shape[0] :].any() or dots[:, area.shape[1] :].any()
        assert not rest, "ink beside the label"
        area |= dots[: area.shape[0], : area.shape[1]]

    def symbol(self, x: int, y: int, dots: int, level: str, mask: int | None, text: str) -> None:
        modules = qr(text, level, mask)
        self.symbols.append((x, y, dots, text))
        self.put(x, y, modules.repeat(dots, axis=0).repeat(dots, axis=1))

    @property
    def picture(self) -> np.ndarray:
        return np.where(self.ink, 0, 255).astype(np.uint8)


def print_zpl(stream: str) -> list[Paper]:
    """What a Zebra printer makes of a file."""
    formats = re.findall(r"\^XA.*?\^XZ\n", stream, re.DOTALL)
    assert "".join(formats) == stream
    return [_print_format(each) for each in formats]


def _print_format(text: str) -> Paper:
    head = re.match(r"\^XA\^CI28\^PW(\d+)\^LL(\d+)\^LH0,0\n", text)
    assert head is not None
    paper = Paper(int(head[1]), int(head[2]))
    body = text[head.end() : -len("^XZ\n")]
    assert FIELD.sub("", body) == ""
    for x, y, field in FIELD.findall(body):
        place = int(x), int(y)
        if symbol := BQ.fullmatch(field):
            dots, level, mask, again, data = symbol.groups()
            assert level == again
            assert int(dots) <= 10
            paper.symbol(*place, int(dots), level, None if mask is None else int(mask), data)
        elif graphic := GF.fullmatch(field):
            total, count, row_bytes = (int(number) for number in graphic.groups()[:3])
            rows = inflate(graphic[4], row_bytes)
            assert total == count == len(rows) * row_bytes <= 99_999
            octets = np.frombuffer(bytes.fromhex("".join(rows)), np.uint8).reshape(-1, row_bytes)
            paper.put(*place, np.unpackbits(octets, axis=1) == 1)
        else:
            line = re.fullmatch(r"\^FB(\d+),1,0,[LC]\^A0N,(\d+)(\^FH)?\^FD([^^~]*)", field)
            assert line is not None, field
            said = line[4]
            if line[3]:
                said = re.sub(r"_([0-9A-F]{2})", lambda match: chr(int(match[1], 16)), said)
            assert int(x) + int(line[1]) <= paper.ink.shape[1] + 1
            assert int(y) + int(line[2]) <= paper.ink.shape[0] + 1
            paper.lines.append((*place, int(line[2]), said))
    return paper


def print_tspl(stream: bytes, dpi: int) -> list[Paper]:
    """What a TSC printer makes of a file."""
    head = re.match(rb"SIZE ([\d.]+) mm,([\d.]+) mm\r\nREFERENCE 0,0\r\n", stream)
    assert head is not None
    width, height = (round(float(side) / 25.4 * dpi) for side in head.groups())
    fonts = {"1": (8, 12), "2": (12, 20), "3": (16, 24), "4": (24, 32), "5": (32, 48)}
    papers, at, paper = [], head.end(), None
    while at < len(stream):
        if stream.startswith(b"BITMAP ", at):
            match = re.compile(rb"BITMAP (\d+),(\d+),(\d+),(\d+),0,").match(stream, at)
            x, y, row_bytes, rows = (int(number) for number in match.groups())
            data = np.frombuffer(stream[match.end() : match.end() + row_bytes * rows], np.uint8).reshape(
                rows, row_bytes
            )
            paper.put(x, y, np.unpackbits(data, axis=1) == 0)
            at = match.end() + row_bytes * rows
            assert stream[at : at + 2] == b"\r\n"
            at += 2
            continue
        end = stream.index(b"\r\n", at)
        line, at = stream[at:end].decode("ascii"), end + 2
        if line == "CLS":
            paper = Paper(width, height)
        elif line == "PRINT 1,1":
            papers.append(paper)
            paper = None
        elif match := re.fullmatch(r'QRCODE (\d+),(\d+),([LMQH]),(\d+),M,0,M2(?:,S([0-7]))?,"A([^"]*)"', line):
            assert int(match[4]) <= 10
            mask = None if match[5] is None else int(match[5])
            paper.symbol(int(match[1]), int(match[2]), int(match[4]), match[3], mask, match[6])
        else:
            match = re.fullmatch(r'TEXT (\d+),(\d+),"([1-5])",0,1,1,"([^"]*)"', line)
            assert match is not None, line
            wide, high = fonts[match[3]]
            assert int(match[1]) + wide * len(match[4]) <= width
            assert int(match[2]) + high <= height + 1
            paper.lines.append((int(match[1]), int(match[2]), high, match[4]))
    assert paper is None
    return papers
