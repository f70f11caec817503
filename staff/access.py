"""Roles, and what each may do. Pure.

A person holds roles brand by brand; what a role may do is the same everywhere and cannot be edited, so that an
auditor can read it here.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What a person is to a brand."""

    OWNER = "owner"
    MARKETER = "marketer"
    FACTORY = "factory"
    WAREHOUSE = "warehouse"
    ANALYST = "analyst"
    AUDITOR = "auditor"


class Permission(StrEnum):
    """One thing that a page or a button needs."""

    SEE_FIGURES = "see_figures"  # overview, heatmap, reports
    SEE_SCANS = "see_scans"  # single scans with their facts
    SEE_MEMBERS = "see_members"  # members, masked
    SEE_CATALOGUE = "see_catalogue"  # products, dealers, territories
    EDIT_CATALOGUE = "edit_catalogue"
    SEE_BATCHES = "see_batches"
    ORDER_CODES = "order_codes"  # order batches, take code packages
    SWITCH_CODES = "switch_codes"  # activate, freeze, void ranges
    RUN_LINE = "run_line"  # cut rolls, balance print runs, repair cartons
    MANAGE_STATIONS = "manage_stations"  # tokens of cameras and hand scanners
    SEE_KEYS = "see_keys"  # code keys: states, use, what they cover; never a secret
    MANAGE_KEYS = "manage_keys"  # rotate, release, retire, revoke, act on a leak
    SEE_DRAWS = "see_draws"
    EDIT_CAMPAIGNS = "edit_campaigns"  # earning rules, draws, held claims
    BLOCK_MEMBERS = "block_members"
    MANAGE_BLOCKS = "manage_blocks"  # block lists; note that an alarm was seen
    EXPORT = "export"  # files that leave the console
    EDIT_BRAND = "edit_brand"  # look, texts, hosts, lines that law wants
    MANAGE_SIGN_IN = "manage_sign_in"  # the brand's apps at WeChat, with their secrets
    MANAGE_STAFF = "manage_staff"
    SEE_TRAIL = "see_trail"  # the audit trail and its head


_SEE: Final = frozenset(
    {Permission.SEE_FIGURES, Permission.SEE_SCANS, Permission.SEE_CATALOGUE, Permission.SEE_BATCHES,
     Permission.SEE_DRAWS}
)  # fmt: skip

GRANTS: Final[dict[Role, frozenset[Permission]]] = {
    Role.OWNER: frozenset(Permission),
    Role.MARKETER: _SEE
    | {
        Permission.SEE_MEMBERS,
        Permission.EDIT_CATALOGUE,
        Permission.EDIT_CAMPAIGNS,
        Permission.BLOCK_MEMBERS,
        Permission.MANAGE_BLOCKS,
        Permission.EXPORT,
        Permission.EDIT_BRAND,
    },
    Role.FACTORY: frozenset(
        {
            Permission.SEE_CATALOGUE,
            Permission.SEE_BATCHES,
            Permission.ORDER_CODES,
            Permission.SWITCH_CODES,
            Permission.RUN_LINE,
            Permission.MANAGE_STATIONS,
        }
    ),
    Role.WAREHOUSE: frozenset(
        {Permission.SEE_CATALOGUE, Permission.SEE_BATCHES, Permission.SWITCH_CODES, Permission.RUN_LINE}
    ),
    Role.ANALYST: _SEE | {Permission.EXPORT},
    Role.AUDITOR: _SEE | {Permission.SEE_MEMBERS, Permission.SEE_TRAIL, Permission.SEE_KEYS, Permission.EXPORT},
}


def permissions(roles: Iterable[Role]) -> frozenset[Permission]:
    """What somebody with these roles may do."""
    return frozenset().union(*(GRANTS[role] for role in roles))
