"""Words of the console's page `product_links`."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "links.title": ("商品链接", "Links of the product"),
    "links.lead": (
        "有人询问这个商品（{address}）时，会被带到默认链接；程序也可以按类型索取其他链接。印在单品上的码不受影响。",
        "Whoever asks for the product ({address}) is led to the default link. Codes on single units are not concerned.",
    ),
    "links.of": ("商品链接", "Links"),
    "links.new": ("添加链接", "Add a link"),
    "links.edit": ("修改链接", "Change the link"),
    "links.back": ("返回商品", "Back to the product"),
    "links.none": ("还没有链接", "No link yet"),
    "links.none.lead": (
        "没有链接时，询问这个商品的人会看到一页它的名称和签发方。",
        "Without links, whoever asks for the product sees a page with its name and who issues it.",
    ),
    "links.full": (
        "链接已满：一个商品最多 {most} 个。",
        "A product has at most {most} links; that is how many there are.",
    ),
    "links.type": ("类型", "Type"),
    "links.href": ("网址", "Address"),
    "links.href.hint": (
        "以 https:// 开头；询问时带的参数会附在后面。",
        "Begins with https://; the parameters of a request are added to it.",
    ),
    "links.title_zh": ("中文标题", "Chinese title"),
    "links.title_en": ("英文标题", "English title"),
    "links.language": ("语言", "Language"),
    "links.hreflang": ("内容的语言", "Language of the content"),
    "links.hreflang.hint": (
        "例如 zh、en 或 en-GB；不限语言时留空。同类链接按读者的语言选择。",
        "As in zh, en or en-GB; empty for any. Of links of one type the reader's language decides.",
    ),
    "links.media_type": ("内容的格式", "Format of the content"),
    "links.media_type.hint": (
        "例如 text/html 或 application/pdf；不清楚时留空。",
        "As in text/html or application/pdf; may be empty.",
    ),
    "links.context": ("适用范围", "Context"),
    "links.context.hint": ("例如国家代码 CN；不限时留空。", "As in the country code CN; empty for everywhere."),
    "links.is_default": ("默认链接", "Default link"),
    "links.is_default.hint": (
        "商品必须有且只有一个默认链接；设为默认会取代原来的。",
        "A product has exactly one; this takes the place of the one before.",
    ),
    "links.active": ("使用中", "In use"),
    "links.off": ("停用", "Not in use"),
    "links.default": ("默认", "Default"),
    "links.remove": ("删除", "Remove"),
    "links.remove.question": ("删除这个链接？", "Remove this link?"),
    "links.created": ("链接已添加。", "The link is added."),
    "links.saved": ("链接已保存。", "The link is saved."),
    "links.removed": ("链接已删除。", "The link is removed."),
    "problem.link_type": ("请选择一种链接类型。", "Choose one of the link types."),
    "problem.link_long": ("网址太长：最多 {most} 个字符。", "The address is too long: at most {most} characters."),
    "problem.link_href": (
        "网址以 https:// 或 http:// 开头，不能有空格或中文（请用百分号编码）。",
        "An address begins with https:// or http:// and holds no spaces or other scripts (percent-encode them).",
    ),
    "problem.link_host": (
        "网址里的域名不对；不能带用户名和密码。",
        "The address has no plain host; leave out user name and password.",
    ),
    "problem.link_circle": (
        "这个网址就是本解析器自己，会来回跳转。请填商品页面的网址。",
        "That is this resolver's own address: it would lead in a circle. Enter the address of a page.",
    ),
    "problem.link_taken": ("这个商品已有同样的链接。", "The product has this link already."),
    "problem.link_language": ("语言写作 zh 或 en-GB 这样的形式。", "A language is written as in zh or en-GB."),
    "problem.link_media": (
        "格式写作 text/html 这样的形式，最多 {most} 个字符。",
        "A format is written as in text/html, at most {most} characters.",
    ),
    "problem.link_context": (
        "只能用字母、数字、点和连字符，最多 {most} 个字符。",
        "Letters, digits, dots and hyphens, at most {most} of them.",
    ),
    "problem.link_default_off": ("默认链接必须在使用中。", "The default link has to be in use."),
    "problem.link_default": (
        "请先把另一个链接设为默认：使用中的链接必须有一个默认的。",
        "Make another link the default first: one of those in use has to be it.",
    ),
    "problem.link_many": ("一个商品最多 {most} 个链接。", "A product has at most {most} links."),
}
