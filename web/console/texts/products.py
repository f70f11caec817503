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
}
