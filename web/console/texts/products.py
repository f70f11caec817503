"""Words of the console's page `products`."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "products.title": ("商品", "Products"),
    "products.lead": (
        "每个商品对应一个 GTIN（条码）。码批次按商品订购。",
        "Each product has one GTIN (its bar code); codes are ordered for a product.",
    ),
    "products.new": ("添加商品", "Add a product"),
    "products.edit": ("修改商品", "Edit the product"),
    "products.none": ("还没有商品", "No product yet"),
    "products.none.lead": ("添加第一个商品，然后才能订购码。", "Add the first one; then codes can be ordered for it."),
    "products.none.found": ("没有符合的商品", "No product matches"),
    "products.none.found.lead": ("换个词，或清除筛选。", "Try another word, or clear the filter."),
    "products.search": ("名称或 GTIN", "Name or GTIN"),
    "products.gtin": ("GTIN", "GTIN"),
    "products.name": ("中文名称", "Chinese name"),
    "products.name_en": ("英文名称", "English name"),
    "products.units_per_case": ("每箱数量", "Units per carton"),
    "products.batches": ("码批次", "Batches"),
    "products.scans": ("扫码", "Scans"),
    "products.gtin.hint": (
        "8、12、13 或 14 位数字，最后一位是校验码；填错时会告诉您正确的一位。保存后不能修改。",
        "8, 12, 13 or 14 digits, the last one a check digit (we name the right one). Fixed once saved.",
    ),
    "products.gtin.fixed": ("已印在码里，不能修改。", "Printed in codes: it cannot be changed."),
    "products.name.hint": ("消费者看到的名称，也印在标签上", "Shown to consumers, and printed on labels"),
    "products.units.hint": (
        "一箱装几件，1 到 {most}。只用于以后装箱。",
        "1 to {most}. Used for cartons packed from now on.",
    ),
    "products.created": ("已添加商品 {gtin}。", "Product {gtin} is added."),
    "products.saved": ("商品 {gtin} 已保存。", "Product {gtin} is saved."),
    "problem.gtin": (
        "GTIN 是 8、12、13 或 14 位数字，且不全为零。",
        "A GTIN has 8, 12, 13 or 14 digits, and not zeros alone.",
    ),
    "problem.gtin_check": (
        "校验码 {digit} 不对，应为 {right}。请核对整个条码。",
        "The check digit {digit} is wrong; for these digits it is {right}. Compare the whole bar code.",
    ),
    "problem.gtin_taken": ("已有 GTIN 为 {gtin} 的商品。", "There is a product with GTIN {gtin} already."),
    "problem.case": ("每箱数量是 1 到 {most} 的整数。", "A carton holds a whole number of units, 1 to {most}."),
    "products.picture": ("商品图片", "Picture"),
    "products.picture.none": ("还没有图片。", "None yet."),
    "products.picture.hint": (
        "PNG、JPEG 或 WebP，最大 {kb} kB；显示在扫码页上，会缩到 1080 像素以内，并去掉照片里的其他信息。",
        "PNG, JPEG or WebP, at most {kb} kB; on the page behind a code, at most 1,080 px, other data in it dropped.",
    ),
    "products.picture.save": ("上传图片", "Upload picture"),
    "products.picture.saved": ("商品图片已更新。", "The picture is updated."),
    "products.legal_class": ("法律类别", "Class by law"),
    "products.legal_class.hint": (
        "决定能否发放奖励、是否先确认年龄。这是按中国法律的默认做法，请由贵方律师确认；设置后两秒内生效。",
        (
            "Decides whether there are rewards, and whether age is asked for. A default by Chinese law for your lawyer "
            "to look at; it holds within two seconds."
        ),
    ),
    "products.legal_class.none": ("一般商品", "None of these"),
    "products.legal_class.alcohol": ("酒类：领取前确认已满 18 周岁", "Alcohol: adults only"),
    "products.legal_class.tobacco": ("烟草：不发放奖励", "Tobacco: no rewards"),
    "products.legal_class.medicine": ("药品：默认不发放奖励", "Medicine: no rewards by default"),
    "products.legal_class.infant_formula": ("婴儿配方乳粉：不发放奖励", "Infant formula: no rewards"),
    "products.rewards": ("奖励", "Rewards"),
    "products.rewards.hint": (
        "积分、抽奖和奖品。烟草和婴儿配方乳粉不能打开。",
        "Points, draws and prizes. They cannot be switched on for tobacco and infant formula.",
    ),
    "products.rewards.default": ("按法律类别", "As the class says"),
    "products.rewards.on": ("发放", "On"),
    "products.rewards.off": ("不发放", "Off"),
    "problem.rewards_never": ("这一类商品不能发放奖励。", "Rewards cannot be switched on for this class."),
}
