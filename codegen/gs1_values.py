"""Whether the value of one AI is right: its length, its characters, the rules of its parts. Pure."""

from __future__ import annotations

from typing import Final

from codegen import gs1_linters as lint
from codegen.gs1_ais import Ai
from codegen.gs1_code_lists import COUNTRIES, COUNTRY_NUMBERS, CURRENCY_NUMBERS, PACKAGE_TYPES
from codegen.gs1_coupons import couponcode, couponposoffer
from codegen.gs1_linters import Fault, Linter

LINTERS: Final[dict[str, Linter]] = {
    "couponcode": couponcode,
    "couponposoffer": couponposoffer,
    "csum": lint.csum,
    "csumalpha": lint.csumalpha,
    "gcppos1": lint.gcppos1,
    "gcppos2": lint.gcppos2,
    "hasnondigit": lint.hasnondigit,
    "hh": lint.hh,
    "hhmi": lint.hhmi,
    "hyphen": lint.hyphen,
    "iban": lint.iban,
    "importeridx": lint.importeridx,
    "iso3166": lint.listed(COUNTRY_NUMBERS, "not_iso3166", "number of a country (ISO 3166)"),
    "iso3166999": lint.listed(
        COUNTRY_NUMBERS | {"999"}, "not_iso3166_or_999", "number of a country (ISO 3166), nor 999"
    ),
    "iso3166alpha2": lint.listed(COUNTRIES, "not_iso3166_alpha2", "country of two letters (ISO 3166)"),
    "iso4217": lint.listed(CURRENCY_NUMBERS, "not_iso4217", "number of a currency (ISO 4217)"),
    "iso5218": lint.listed(frozenset("0129"), "invalid_biological_sex_code", "code of ISO 5218 (0, 1, 2, 9)"),
    "latitude": lint.latitude,
    "longitude": lint.longitude,
    "mediatype": lint.listed(lint.MEDIA_TYPES, "invalid_media_type", "AIDC media type"),
    "mi": lint.mi,
    "nonzero": lint.nonzero,
    "nozeroprefix": lint.nozeroprefix,
    "packagetype": lint.listed(PACKAGE_TYPES, "invalid_package_type", "package type"),
    "pcenc": lint.pcenc,
    "pieceoftotal": lint.pieceoftotal,
    "posinseqslash": lint.posinseqslash,
    "ss": lint.ss,
    "winding": lint.listed(frozenset("019"), "invalid_winding_direction", "winding direction (0, 1, 9)"),
    "yesno": lint.listed(frozenset("01"), "not_zero_or_one", "0 or 1"),
    "yymmd0": lint.yymmd0,
    "yymmdd": lint.yymmdd,
    "yyyymmdd": lint.yyyymmdd,
    "zero": lint.zero,
}
"""Every rule that the table names."""


def judge(ai: Ai, value: str) -> Fault | None:
    """What is wrong with `value` as that of `ai`, or None. Its length is within the AI's limits."""
    at = 0
    for part in ai.parts:
        piece = value[at : at + part.most]
        if part.optional and not piece:
            continue
        if len(piece) < part.least:
            return Fault("data_has_incorrect_length", f"{len(piece)} characters are too few at its end", at, len(piece))
        for rule in (lint.CHARACTER_SETS[part.set], *(LINTERS[name] for name in part.linters)):
            fault = rule(piece)
            if fault is not None:
                return Fault(fault.name, fault.sentence, at + fault.at, fault.length)
        at += len(piece)
    return None
