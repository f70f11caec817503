"""The story behind `yima demo`: a tea brand's first weeks, played through the running product.

Everything happens through the same use cases and the same HTTP API that a customer's own systems call.
"""

from __future__ import annotations

from yima.story.manager import Login, hire
from yima.story.play import play, require_development
from yima.story.telling import Summary, show

__all__ = ["Login", "Summary", "hire", "play", "require_development", "show"]
