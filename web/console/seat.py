"""Who sits at the console: a signed-in person, and that person at a brand's desk."""

from __future__ import annotations

from dataclasses import dataclass

from kernel.errors import Forbidden
from staff.access import Permission
from staff.sessions import Session
from traceability.catalogue import Brand
from web.console.visit import Visit


@dataclass(frozen=True, slots=True)
class Person:
    """A signed-in person, at no brand in particular."""

    session: Session
    visit: Visit

    @property
    def actor(self) -> str:
        """How the audit trail names the person."""
        return f"staff:{self.session.staff.id}"


@dataclass(frozen=True, slots=True)
class Seat:
    """A signed-in person at a brand's desk.

    Attributes:
        session: the session, with the person and the roles they hold at this moment.
        visit: the request.
        brand: the brand that the address names, at which the person holds a role.
        may: what the person may do there.
    """

    session: Session
    visit: Visit
    brand: Brand
    may: frozenset[Permission]

    @property
    def actor(self) -> str:
        """How the audit trail names the person."""
        return f"staff:{self.session.staff.id}"

    def path(self, rest: str = "") -> str:
        """An address within this brand's console."""
        return f"/console/b/{self.brand.slug}{rest}"

    def need(self, permission: Permission) -> None:
        """Refuse unless the person has a further permission.

        Raises:
            Forbidden: they do not.
        """
        if permission not in self.may:
            raise Forbidden("Your role does not allow this; ask an owner of the brand.", permission=permission.value)
