"""Who and where: the brand, its products, its dealers, the cities people live in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SLUG: Final = "yunling"
NAME: Final = "云岭茶业"
NAME_EN: Final = "Yunling Tea"
COMPANY_PREFIX: Final = "6901234"


@dataclass(frozen=True, slots=True)
class Tea:
    """A product and what a claim of it earns."""

    gtin: str
    name: str
    name_en: str
    units_per_case: int
    points: int
    share: float


TEAS: Final = (
    Tea("06901234567892", "云岭明前龙井 250 克", "Yunling Longjing, 250 g", 24, 50, 0.70),
    Tea("06901234567908", "云岭古树普洱饼 357 克", "Yunling old-tree Pu'er cake, 357 g", 12, 120, 0.15),
    Tea("06901234567915", "云岭茉莉花茶 100 克", "Yunling jasmine tea, 100 g", 48, 20, 0.15),
)


@dataclass(frozen=True, slots=True)
class City:
    """A city: region code, name, centre in WGS-84, population in millions (2020 census, rounded)."""

    adcode: int
    name: str
    lat: float
    lng: float
    millions: float


CITIES: Final = (
    City(310000, "上海", 31.23, 121.47, 24.9),
    City(110000, "北京", 39.91, 116.40, 21.9),
    City(500000, "重庆", 29.56, 106.55, 20.0),
    City(510100, "成都", 30.66, 104.07, 20.9),
    City(440100, "广州", 23.13, 113.26, 18.7),
    City(440300, "深圳", 22.55, 114.06, 17.6),
    City(120000, "天津", 39.13, 117.20, 13.9),
    City(610100, "西安", 34.27, 108.95, 13.0),
    City(320500, "苏州", 31.30, 120.62, 12.7),
    City(410100, "郑州", 34.75, 113.63, 12.6),
    City(420100, "武汉", 30.58, 114.30, 12.3),
    City(330100, "杭州", 30.27, 120.16, 11.9),
    City(130100, "石家庄", 38.04, 114.51, 11.2),
    City(370200, "青岛", 36.07, 120.38, 10.1),
    City(430100, "长沙", 28.23, 112.94, 10.0),
    City(230100, "哈尔滨", 45.80, 126.53, 10.0),
    City(341200, "阜阳", 32.89, 115.81, 8.2),
    City(370100, "济南", 36.65, 117.00, 9.2),
    City(340100, "合肥", 31.82, 117.23, 9.4),
    City(320100, "南京", 32.06, 118.80, 9.3),
    City(210100, "沈阳", 41.80, 123.43, 9.1),
    City(220100, "长春", 43.82, 125.32, 9.1),
    City(450100, "南宁", 22.82, 108.37, 8.7),
    City(530100, "昆明", 25.04, 102.71, 8.5),
    City(350100, "福州", 26.07, 119.30, 8.3),
    City(360100, "南昌", 28.68, 115.86, 6.3),
    City(520100, "贵阳", 26.65, 106.63, 6.0),
    City(140100, "太原", 37.87, 112.55, 5.3),
    City(350200, "厦门", 24.48, 118.09, 5.2),
    City(620100, "兰州", 36.06, 103.83, 4.4),
    City(650100, "乌鲁木齐", 43.83, 87.62, 4.1),
    City(150100, "呼和浩特", 40.84, 111.75, 3.4),
    City(640100, "银川", 38.49, 106.23, 2.9),
    City(460100, "海口", 20.04, 110.20, 2.9),
    City(630100, "西宁", 36.62, 101.78, 2.5),
    City(540100, "拉萨", 29.65, 91.14, 0.9),
)


@dataclass(frozen=True, slots=True)
class Trader:
    """A dealer: home city, and the provinces of the territory."""

    code: str
    name: str
    city: int
    adcodes: tuple[int, ...]


DEALERS: Final = (
    Trader("D01", "上海申茗商贸", 310000, (310000, 320000)),
    Trader("D02", "北京京韵茶行", 110000, (110000, 120000, 130000, 140000, 150000)),
    Trader("D03", "重庆山城茶业", 500000, (500000,)),
    Trader("D04", "成都蜀香商贸", 510100, (510000, 540000)),
    Trader("D05", "广州粤味供应链", 440100, (440000, 450000, 460000)),
    Trader("D06", "西安长安茶叶", 610100, (610000, 620000, 630000, 640000, 650000)),
    Trader("D07", "武汉江城商贸", 420100, (420000, 430000, 360000)),
    Trader("D08", "杭州湖畔茶庄", 330100, (330000, 350000)),
    Trader("D09", "郑州中原商贸", 410100, (410000,)),
    Trader("D10", "济南泉城茶业", 370100, (370000,)),
    Trader("D11", "沈阳北国商贸", 210100, (210000, 220000, 230000)),
    Trader("D12", "昆明滇茗商贸", 530100, (530000, 520000)),
)


def cities_of(trader: Trader) -> tuple[City, ...]:
    """The cities of a dealer's territory."""
    return tuple(city for city in CITIES if city.adcode // 10000 * 10000 in trader.adcodes)


DIVERTER: Final = "D09"
"""The dealer who sells outside the territory: Zhengzhou's goods surface in Nanjing and Suzhou, some 600 km off."""
DIVERTED_TO: Final = (320100, 320500)
