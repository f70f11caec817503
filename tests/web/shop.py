"""A small fake of the use cases behind the pages, with one code of every kind."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import httpx

from campaigns.appeals import Standing, Waiting
from insights.figures import DealerFigure, Figures
from kernel.errors import InvalidInput, NotAuthenticated, NotFound, TooMany
from traceability import reports
from traceability.brands import Shown
from traceability.pictures import Picture
from traceability.product_links import Resolved
from traceability.reports import Told
from traceability.scans import FindingShown, Look, Outcome, PrizeShown, ScanReply, ScanRequest, UnitShown
from web.ports import DrawShown, Me, PrizeHeld
from web.visits import Visit

FIRST = "7Q0ZAB12CD34EF56GH78"
SEEN = "7Q1ZAB12CD34EF56GH78"
CLAIMED = "7Q2ZAB12CD34EF56GH78"
OUTER = "7Q3ZAB12CD34EF56GH78"
INACTIVE = "7Q4ZAB12CD34EF56GH78"
VOIDED = "7Q5ZAB12CD34EF56GH78"
FORGED = "7Q6ZAB12CD34EF56GH78"
NASTY = "7Q7ZAB12CD34EF56GH78"
LOSING = "7Q8ZAB12CD34EF56GH78"
PHONE = "13800138000"
ONE_TIME_CODE = "246810"
SCRIPT = "<script>window.hurt=1</script>\"'><img src=x onerror=window.hurt=1>"

KINDS = {
    FIRST: "first",
    SEEN: "seen",
    CLAIMED: "claimed",
    OUTER: "outer",
    INACTIVE: "inactive",
    VOIDED: "voided",
    FORGED: "forged",
    NASTY: "first",
    LOSING: "first",
}
BRAND = {"zh": "锦江酒业", "en": "Jinjiang Spirits"}
PRODUCT = {"zh": "锦江特曲 52度 500毫升", "en": "Jinjiang Tequ 52% 500 ml"}
TITLES = {"spring": ("开春第一瓶", "First bottle of spring"), "winter": ("暖冬礼", "Winter gift")}
MESSAGES = {
    "first": (
        "此码由锦江酒业签发，这是它第一次被扫描。",
        "Jinjiang Spirits issued this code, and this is its first scan.",
    ),
    "seen": (
        "此码由锦江酒业签发，此前已被扫描 2 次，首次为2026年5月3日，广东省（非您本人）。",
        "Jinjiang Spirits issued this code; it was scanned 2 times before, first on 3 May 2026 in Guangdong.",
    ),
    "forged": (
        "这个码不是我们签发的。请不要使用该商品，并联系销售者或品牌方。",
        "We did not issue this code. Do not use the product; ask the seller or the brand.",
    ),
    "awarded": (
        "此码由锦江酒业签发，这是它第一次被扫描。您获得 20 积分，并抽中：现金红包 8.88 元！",
        "Jinjiang Spirits issued this code, and this is its first scan. You earned 20 points and won: 8.88 yuan!",
    ),
}


@dataclass
class FakePorts:
    """Answers like the use cases, and keeps what it was asked."""

    scans: list[ScanRequest] = field(default_factory=list)
    looks: list[tuple[str, str, str]] = field(default_factory=list)
    codes_sent: list[tuple[str, str, str]] = field(default_factory=list)
    replies: dict[object, ScanReply] = field(default_factory=dict)
    brands: dict[str, Shown] = field(default_factory=dict)
    resolved: dict[str, Resolved] = field(default_factory=dict)
    picture_shown: Picture | None = None
    picture_of: dict[tuple[str, str], Picture] = field(default_factory=dict)
    standings: dict[str, Standing] = field(default_factory=dict)
    waiting: list[Waiting] = field(default_factory=list)
    appeals: list[object] = field(default_factory=list)
    reported: dict[UUID, tuple[str, Told, Picture | None, tuple[int, int] | None]] = field(default_factory=dict)
    adults: list[tuple[int, int]] = field(default_factory=list)
    shown: dict[str, bool] = field(default_factory=dict)
    """What further looks tell: `pays`, `adults_only`."""
    empty: bool = False
    failure: Exception | None = None

    def may_be_listed(self, text: str) -> bool:
        return text.startswith("https://old.example/")

    async def look(
        self, text: str, *, device: str, language: str, address: str | None = None, member: object = None
    ) -> Look:
        del address, member
        self.looks.append((text, device, language))
        self._fail()
        code = text.rsplit("/", 1)[-1].replace(" ", "").replace("-", "").upper()
        if "/01/00000000000000/" in text:
            return Look("forged", _message("forged", language), code=code)
        if len(code) != 20:
            return Look("malformed", "这不是一个完整的码。" if language == "zh" else "This is not a whole code.")
        kind = KINDS.get(code, "forged")
        if kind == "forged":
            return Look("forged", _message("forged", language), code=code)
        seen = kind in {"seen", "claimed"}
        return Look(
            kind=kind,
            message=_message(kind, language),
            code=code,
            brand_slug="jinjiang",
            brand=SCRIPT if code == NASTY else BRAND[language],
            product=SCRIPT if code == NASTY else PRODUCT[language],
            gtin="06901234567892",
            scan_count=2 if seen else 0,
            first_when=("2026年5月3日，广东省" if language == "zh" else "on 3 May 2026 in Guangdong") if seen else "",
            page_token=f"token-of-{device}",
            **self.shown,
        )

    async def resolve(self, gtin: str) -> Resolved | None:
        self._fail()
        return self.resolved.get(gtin)

    async def scan(self, request: ScanRequest) -> ScanReply:
        self.scans.append(request)
        self._fail()
        if request.scan_id not in self.replies:
            self.replies[request.scan_id] = self._judge(request)
        return self.replies[request.scan_id]

    def _judge(self, request: ScanRequest) -> ScanReply:
        language = request.language
        product = SCRIPT if request.code == NASTY else PRODUCT[language]
        unit = UnitShown("06901234567892", product, "B-2026-0417")
        kind = KINDS.get(request.code, "forged")
        if kind == "forged":
            return ScanReply(request.scan_id, Outcome.FORGED, _message("forged", language))
        outcome = {"claimed": Outcome.TAKEN, "inactive": Outcome.INACTIVE}.get(kind)
        if outcome is None and (request.member is None or kind == "outer"):
            outcome = Outcome.AUTHENTIC
        if outcome is not None:
            return ScanReply(request.scan_id, outcome, _message(kind, language), unit, scan_count=1)
        prize = SCRIPT if request.code == NASTY else "现金红包 8.88 元" if language == "zh" else "8.88 yuan in cash"
        won = [] if request.code == LOSING else [PrizeShown("spring", 40_217 + len(self.replies), 3, prize)]
        return ScanReply(
            scan_id=request.scan_id,
            outcome=Outcome.AWARDED,
            message=_message("awarded", language),
            unit=unit,
            scan_count=1,
            points=20,
            balance=1_260,
            prizes=won,
            findings=[FindingShown("page_token", "inline-rule-result")],
        )

    async def request_code(self, brand_slug: str, phone: str, *, visit: Visit) -> None:
        if not phone.isdigit():
            raise InvalidInput("This is not a phone number.", field="phone")
        if phone.endswith("9"):
            raise TooMany("A code was sent to this number a moment ago; wait a minute.", retry_after_s=42)
        self.codes_sent.append((brand_slug, phone, visit.language))

    async def sign_in(self, brand_slug: str, phone: str, code: str, *, visit: Visit) -> str:
        del visit
        if code != ONE_TIME_CODE:
            raise NotAuthenticated("The code is wrong.")
        return f"session.{brand_slug}.{phone}"

    def wechat(self, brand_slug: str) -> str:
        del brand_slug
        return ""

    def bearer(self, token: str) -> tuple[int, int] | None:
        return (41, 7) if token.startswith("session.") else None

    async def me(self, member: tuple[int, int], language: str) -> Me:
        assert member == (41, 7)
        self._fail()
        if self.empty:
            return Me(BRAND[language], "jinjiang", 0, 0)
        return Me(
            brand=BRAND[language],
            brand_slug="jinjiang",
            balance=1_260,
            pending=2,
            prizes=[PrizeHeld("spring", 40_217, "现金红包 8.88 元", datetime(2026, 5, 3, 4, tzinfo=UTC))],
            recent=[
                (datetime(2026, 5, 3, 4, tzinfo=UTC), PRODUCT[language], 20),
                (datetime(2026, 5, 1, 17, 30, tzinfo=UTC), "积分兑换" if language == "zh" else "Burn", -300),
            ],
            waiting=self.waiting,
        )

    async def standing(self, member: tuple[int, int], code: str) -> Standing | None:
        assert member == (41, 7)
        return self.standings.get(code)

    async def appeal(self, member: tuple[int, int], *, code: str = "", claim_id: int | None = None) -> None:
        assert member == (41, 7)
        self._fail()
        self.appeals.append(code or claim_id)

    async def report(
        self,
        *,
        number: UUID,
        code: str,
        told: Told,
        photo: Picture | None,
        member: tuple[int, int] | None,
        device: str,
    ) -> None:
        del device
        reports.refuse(reports.judge(told))
        self._fail()
        self.reported[number] = (code, told, photo, member)

    async def is_adult(self, member: tuple[int, int]) -> bool:
        return member in self.adults

    async def confirm_adult(self, member: tuple[int, int]) -> None:
        self.adults.append(member)

    async def draw(self, name: str, language: str) -> DrawShown:
        if name not in {"spring", "winter"}:
            raise NotFound(f"There is no draw {name!r}.")
        odds = [
            ("足金生肖吊坠 3克", "0.001%", 20, 17),
            ("现金红包 88.80 元", "0.5%", 5_000, 3_120),
            ("现金红包 8.88 元", "12.5%", 200_000, 88_412),
        ]
        return DrawShown(
            name=name,
            title=TITLES[name][0 if language == "zh" else 1],
            rules={"format": "yima-draw-rules-1", "title": "开春第一瓶", "prizes": [{"id": 1, "weight": 10_000}]},
            odds=[] if self.empty else odds,
            rules_hash="5f2d" * 16,
            seed_commitment="9ab0" * 16,
            published_at=datetime(2026, 3, 1, 1, tzinfo=UTC),
            closed_at=datetime(2026, 2, 1, 1, tzinfo=UTC) if name == "winter" else None,
            entries=1_204_117,
        )

    def brand(self, slug: str) -> Shown | None:
        return self.brands.get(slug)

    async def logo(self, slug: str, content_hash: str) -> Picture | None:
        shown = self.brands.get(slug)
        return self.picture_shown if shown is not None and shown.settings.logo_hash == content_hash != "" else None

    async def picture(self, slug: str, content_hash: str) -> Picture | None:
        return self.picture_of.get((slug, content_hash))

    async def figures(self) -> Figures:
        self._fail()
        if self.empty:
            return Figures(0, [], {}, 0, 0, 0, [], [], [], [], 0, 0)
        provinces = [(440000, 48_211), (510000, 31_204), (330000, 22_010), (150000, 903), (710000, 12), (810000, 3)]
        return Figures(
            scans=184_220,
            outcomes=[
                ("awarded", 120_221),
                ("authentic", 40_100),
                ("repeat", 18_772),
                ("taken", 4_002),
                ("held", 700),
                ("inactive", 311),
                ("refused", 114),
            ],
            unverified={"malformed": 812, "forged": 1_377},
            units=150_022,
            members=61_044,
            points=2_404_420,
            prizes=[("spring", 1, 20, 17), ("spring", 2, 5_000, 3_120), ("spring", 3, 200_000, 88_412)],
            provinces=provinces,
            products=[
                ("06901234567892", PRODUCT["zh"], PRODUCT["en"], 120_400, 88_000),
                ("06901234567908", "锦江纯生啤酒 500毫升×12", "Jinjiang Draft 500 ml × 12", 63_820, 32_221),
            ],
            dealers=[DealerFigure("成都蓉锦商贸有限公司", 8_200, 1_912), DealerFigure("广州越秀酒行", 12_000, 44)],
            copied=17,
            early=311,
        )

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure


def _message(kind: str, language: str) -> str:
    return MESSAGES.get(kind, MESSAGES["first"])[0 if language == "zh" else 1]


@dataclass(frozen=True)
class Site:
    """A running server and the fake behind it."""

    url: str
    ports: FakePorts

    def client(self, **headers: str) -> httpx.Client:
        """A browser of old: neither Fetch Metadata nor an Origin, but cookies."""
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False)
