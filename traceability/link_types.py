"""The kinds of link that a product may have: terms of the GS1 Web Vocabulary, with their titles.

Names and English titles are those of the vocabulary's list of link types. Left out: what a resolver says by
itself (the default link), what is withdrawn, and what is about places and organisations only.
"""

from __future__ import annotations

from typing import Final

VOCABULARY: Final = "https://ref.gs1.org/voc/"
"""The vocabulary's namespace; `gs1:` stands for it."""

_FORMER: Final = ("gs1:", VOCABULARY, "https://gs1.org/voc/", "https://www.gs1.org/voc/", "http://gs1.org/voc/")

TITLES: Final[dict[str, tuple[str, str]]] = {
    "pip": ("商品信息页", "Product information page"),
    "activityIdeas": ("活动与玩法", "Activity ideas"),
    "allergenInfo": ("过敏原信息", "Allergen information"),
    "appDownload": ("应用下载", "App download"),
    "brandHomepageClinical": ("品牌主页（专业人士）", "Information for professionals about this brand"),
    "brandHomepagePatient": ("品牌主页（患者）", "Information for patients about this brand"),
    "certificationInfo": ("认证信息", "Certification information"),
    "consumerHandlingStorageInfo": ("使用与储存", "Consumer handling and storage information"),
    "dpp": ("数字产品护照", "Digital product passport"),
    "epcis": ("EPCIS 事件库", "EPCIS repository"),
    "epil": ("电子药品说明书", "Electronic patient information leaflet"),
    "eventsInfo": ("活动信息", "Events information"),
    "faqs": ("常见问题", "Frequently asked questions"),
    "hasRetailers": ("哪里买", "Has retailers"),
    "homepage": ("品牌主页", "Organisation information page"),
    "ingredientsInfo": ("配料信息", "Ingredients information"),
    "instructions": ("使用说明", "Instructions"),
    "jws": ("JSON 网络签名", "JSON Web Signature"),
    "leaveReview": ("写评价", "Leave a review"),
    "loyaltyProgram": ("会员计划", "Loyalty program"),
    "masterData": ("主数据", "Master data"),
    "nutritionalInfo": ("营养信息", "Nutritional information"),
    "paymentLink": ("付款", "Make payment"),
    "promotion": ("促销活动", "Promotion"),
    "purchaseSuppliesOrAccessories": ("购买耗材或配件", "Purchase supplies or accessories"),
    "quickStartGuide": ("快速入门", "Quick start guide"),
    "recallStatus": ("召回状态", "Recall status"),
    "recipeInfo": ("食谱", "Recipe website"),
    "registerProduct": ("商品登记", "Register purchase"),
    "registryEntry": ("登记簿条目", "Entry in a register"),
    "relatedImage": ("相关图片", "Related image"),
    "relatedVideo": ("相关视频", "Related video"),
    "review": ("评价", "Reviews"),
    "safetyInfo": ("安全信息", "Safety information"),
    "serviceInfo": ("维修保养", "Service information"),
    "smartLabel": ("智能标签", "SmartLabel"),
    "smpc": ("药品特性概要", "Summary of product characteristics"),
    "socialMedia": ("社交媒体", "Social media"),
    "subscribe": ("订阅", "Subscribe"),
    "support": ("客户支持", "Support"),
    "sustainabilityInfo": ("可持续与回收", "Sustainability and recycling"),
    "traceability": ("追溯信息", "Traceability information"),
    "tutorial": ("教程", "Tutorial"),
    "userAgreement": ("用户协议", "Agreement or waiver"),
    "verificationService": ("核验服务", "Verification service"),
    "whatsInTheBox": ("包装内容", "What's in the box?"),
}
"""Name in the vocabulary, without its prefix: Chinese title, English title."""

DEFAULT: Final = "defaultLink"
DEFAULT_SET: Final = "defaultLinkMulti"


def name_of(asked: str) -> str | None:
    """The name of a link type as asked for (`gs1:pip`, or its whole address), or None if it is not GS1's."""
    for prefix in _FORMER:
        if asked.startswith(prefix):
            return asked.removeprefix(prefix)
    return None
