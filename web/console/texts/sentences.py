"""What the rooms refuse, word by word: the English sentence of an error and the same in Chinese.

Gaps are filled from the English sentence as it came. `tests/web/console/test_sentences.py` holds each English
sentence against the source, so that one that is reworded there is reworded here.
"""

from typing import Final

from web.console.texts.sentences_blocks import BLOCKS
from web.console.texts.sentences_labels import LABELS

SENTENCES: Final[tuple[tuple[str, str], ...]] = (
    # Orders and packages
    ("The brand has no product with GTIN {gtin}.", "本品牌没有 GTIN 为 {gtin} 的商品。"),
    (
        (
            "Key {key} has only {left} units left, too few for this order: `yima keys rotate --brand BRAND` "
            "makes the next one, and printed codes keep verifying."
        ),
        "密钥 {key} 只剩 {left} 件可用，不够此订单：请先更换密钥，已印的码照常有效。",
    ),
    ("The spare is 0 to {most} percent, not {given}.", "备品率是 0 到 {most}，不能是 {given}。"),
    (
        "The spare is a percentage from 0 to {most} with at most two decimals.",
        "备品率是 0 到 {most} 的数，最多两位小数。",
    ),
    (
        "Order {number} is batch {batch} already, with another {differing}.",
        "订单 {number} 已是批次 {batch}，内容不同：{differing}。",
    ),
    (
        "Order {number} is batch {batch} and was cancelled: order under another number.",
        "订单 {number}（批次 {batch}）已取消，请换一个订单号。",
    ),
    ("A batch has 1 to {most} codes, not {given}.", "数量是 1 到 {most}，不能是 {given}。"),
    ("With its spare the batch would have {count} codes, more than {most}.", "加上备品共 {count} 件，超过 {most}。"),
    ("There is no batch {name}; `yima codes batches` names them.", "没有批次 {name}。"),
    ("There is no order {number}.", "没有订单 {number}。"),
    (
        "The codes of batch {batch} were made by others and imported: there are none to write.",
        "批次 {batch} 的码是导入的，没有码包可写。",
    ),
    (
        "Lines {low} to {high} are not within batch {batch}, which has lines 1 to {count}.",
        "第 {low} 到 {high} 行不在批次 {batch} 之内，它有第 1 到 {count} 行。",
    ),
    (
        (
            "Codes of order {number} (batch {batch}) were activated or the order is closed: it cannot be "
            "cancelled. Void or recall lines instead."
        ),
        "订单 {number}（批次 {batch}）已有码激活，或已关闭，不能取消。请改为作废或召回若干行。",
    ),
    (
        "Nothing of batch {batch} was activated yet: cancel the order, or wait.",
        "批次 {batch} 还没有激活任何码：请取消订单，或等待激活。",
    ),
    ("Order {number} (batch {batch}) was cancelled.", "订单 {number}（批次 {batch}）已取消。"),
    (
        "Order {number} (batch {batch}) is closed: no more packages are made.",
        "订单 {number}（批次 {batch}）已关闭，不再生成码包。",
    ),
    (
        "Batch {batch} has no code package yet: nothing can have been printed.",
        "批次 {batch} 还没有码包，不可能已经印刷。",
    ),
    (
        "Package {package} is being written ({percent}%): take it when it is ready.",
        "码包 {package} 正在生成（{percent}%），就绪后再下载。",
    ),
    ("Package {package} is not written yet: it waits for a worker.", "码包 {package} 还在排队，尚未生成。"),
    ("Package {package} is not there ({state}).", "码包 {package} 不在（{state}）。"),
    ("The package is not on this server: have it written again.", "码包不在这台服务器上，请重新生成。"),
    ("Recipient {name} is retired.", "收件方“{name}”已停用。"),
    ("Batch {batch} has {most} packages, and no more.", "批次 {batch} 已有 {most} 个码包，不能再多。"),
    (
        "Batch {batch} has no set-up codes left: it had enough for {most} packages that are traced to a recipient.",
        "批次 {batch} 的调机码已用完：最多 {most} 个码包可追溯到收件方。",
    ),
    ("Batch {batch} has no package {name}.", "批次 {batch} 没有码包 {name}。"),
    (
        "Package {package} is not wanted any more: its order was cancelled or closed.",
        "码包 {package} 不再需要：订单已取消或关闭。",
    ),
    ("A printed host has at most {most} characters.", "印刷域名最多 {most} 个字符。"),
    # Recipients
    ("The brand has no recipient {name}; `yima codes recipients list` names them.", "本品牌没有收件方“{name}”。"),
    (
        (
            "That is a secret key: it stays with the recipient, and must be replaced now. Enter the public key, "
            "which begins with age1."
        ),
        "这是私钥，只应由收件方保管，请让对方立即更换。请填写以 age1 开头的公钥。",
    ),
    (
        "That is no public key of the age format: it begins with age1 (`age-keygen` shows it).",
        "这不是 age 公钥：公钥以 age1 开头，由 age-keygen 显示。",
    ),
    ("A public key has at most {most} characters.", "公钥最多 {most} 个字符。"),
    ("A recipient's name has 1 to {most} characters.", "名称有 1 到 {most} 个字。"),
    ("The brand has {most} recipients already: retire some.", "收件方已有 {most} 个，请先停用一些。"),
    ("There is a recipient {name} already: retire it first.", "已有收件方“{name}”，请先停用它。"),
    *BLOCKS,
    *LABELS,
    # Rolls and print runs
    ("Say how long a roll is, or how many rolls: one of the two.", "每卷行数与卷数，请填且只填一个。"),
    ("A roll has 1 to {count} lines, not {size}.", "每卷 1 到 {count} 行，不能是 {size}。"),
    (
        "{count} lines are cut into 1 to {most} rolls, not {rolls}.",
        "{count} 行可分成 1 到 {most} 卷，不能是 {rolls}。",
    ),
    ("That makes {number} rolls; at most {most} are cut of a batch.", "这样有 {number} 卷，一个批次最多 {most} 卷。"),
    (
        "Run {run} has printed of batch {batch}: its rolls cannot be cut anew.",
        "印刷批 {run} 已领用批次 {batch}，不能重新分卷。",
    ),
    ("Batch {batch} has no roll {number}.", "批次 {batch} 没有第 {number} 卷。"),
    ("That roll is of batch {other}, not of batch {batch}.", "这一卷属于批次 {other}，不是批次 {batch}。"),
    ("A roll is named by its label's symbol, or by its number and its batch.", "请扫卷标签，或填写卷号。"),
    ("A printer has a name of 1 to {most} characters.", "请写印刷机名称，1 到 {most} 个字符。"),
    (
        "The codes of batch {batch} were made by others and imported: there are none to print.",
        "批次 {batch} 的码是导入的，不能印刷。",
    ),
    ("Batch {batch} has no code package yet: nothing can be printed.", "批次 {batch} 还没有码包，不能印刷。"),
    (
        "A run takes 1 to {most} rolls or ranges, not {given}.",
        "一个印刷批领用 1 到 {most} 卷或段，现在是 {given}。请选择卷或行。",
    ),
    ("Two of the rolls or ranges share a line.", "所选的卷或行有重叠。"),
    (
        "Lines {lines} are good in run {run} already: no code is printed twice.",
        "第 {lines} 行在印刷批 {run} 已是良品，不能重复印刷。",
    ),
    (
        "Lines {lines} were given out in run {run}, which is {state}: no code is printed twice.",
        "第 {lines} 行已由印刷批 {run}（{state}）领用，不能重复印刷。",
    ),
    ("There is no print run {name}.", "没有印刷批 {name}。"),
    ("Run {run} is closed: what it came to stands.", "印刷批 {run} 已结束，不能再改。"),
    ("Run {run} on {printer} does not balance. {off}.", "印刷批 {run}（{printer}）没有对平，请看平衡表。"),
    (
        (
            "Run {run}, {part}: lines of several kinds were only counted, so that nobody can say which are "
            "{kinds}. Scan them or give their range, or close without switching codes."
        ),
        (
            "印刷批 {run}，{part}：有几种去向只报了数量，无法分清哪些行是{kinds}。请扫码或写明行号，或者结束时不"
            "变更码状态。"
        ),
    ),
    ("Enter 1 to {most} separate runs of lines at a time.", "一次登记 1 到 {most} 段行。"),
    ("Lines {lines} are not in run {run}.", "第 {lines} 行不在印刷批 {run} 里。"),
    ("A count is 1 to {most}, what {part} holds.", "数量是 1 到 {most}，{part}只有这么多。"),
    (
        "Run {run}, {part}: {count} more {kind} would be {over} more than the {issued} that were issued.",
        "印刷批 {run}，{part}：再登记 {count} {kind}，就比领用的 {issued} 多 {over}。",
    ),
    ("This entry was withdrawn already.", "这条登记已撤回。"),
    ("Run {run} has no such entry.", "印刷批 {run} 没有这条登记。"),
    ("Run {run} has several rolls or ranges: say of which one the count is.", "印刷批 {run} 有多卷，请选择是哪一卷。"),
    (
        "Lines {lines} of run {run} are {kind} already; enter them again with «instead» to correct that.",
        "印刷批 {run} 的第 {lines} 行已登记为{kind}；要改，请勾选“更正以前的登记”再登记。",
    ),
    ("Scan a code, or type lines.", "请扫码，或填写行号。"),
    ("Give at most {most} ranges of lines at a time.", "一次最多 {most} 段行。"),
    ("Ranges of lines are written 1-200, several of them apart by commas.", "行写成 1-200，多段用逗号分开。"),
    # Codes in hand, states
    ("Name 1 to {most} codes, not {given}.", "请扫 1 到 {most} 个码，现在是 {given} 个。"),
    ("None of these units is of a batch of this brand.", "这些件都不属于本品牌的批次。"),
    ("{which} cannot be read: {why}", "{which}无法识别。"),
    ("{which} is no code of this brand.", "{which}不是本品牌的码。"),
    ("{which} was never issued.", "{which}从未签发。"),
    ("{which} is on no line of batch {batch}: it must not be used.", "{which}是批次 {batch} 的调机码，不能使用。"),
    ("{which} is of batch {other}, not of batch {batch}.", "{which}属于批次 {other}，不是批次 {batch}。"),
    ("No line is named: nothing would change.", "没有指明任何行，不会有变化。"),
    (
        "At most {most} separate runs of lines are switched at once, not {given}.",
        "一次最多变更 {most} 段行，现在是 {given} 段。",
    ),
    ("Codes are {state} for a reason: say which (--reason or --reason-code).", "请选择理由代码，或写明理由。"),
    ("A reason has at most {most} characters.", "理由最多 {most} 个字。"),
    ("A reason has 1 to {most} characters.", "请写明理由，1 到 {most} 个字。"),
    ("Only a range that is frozen can be lifted.", "只有冻结中的范围可以解除。"),
    (
        "None of these lines of batch {batch} is frozen: there is nothing to lift.",
        "批次 {batch} 的这些行都没有冻结，无需解除。",
    ),
    ("The reason code for {state} is one of {known}, not {given}.", "这个理由代码不适用于此操作，请重新选择。"),
    ("Name codes in one way: {ways}.", "行号、扫码、卷、箱只能用一种。"),
    ("A range between codes has two: the first and the last.", "两码之间的范围要扫两个码：首和尾。"),
    ("Carton {sscc} is empty.", "箱 {sscc} 是空的。"),
    ("Carton {sscc} holds units of batch {batch} too.", "箱 {sscc} 里也有批次 {batch} 的单件。"),
    ("Order {number} is batch {other}, not {batch}.", "订单 {number} 是批次 {other}，不是 {batch}。"),
    ("Batch {batch} has no such range.", "批次 {batch} 没有这个范围。"),
    # Cartons and stations
    ("There is no carton {sscc}.", "没有箱 {sscc}。"),
    ("Name 1 to {most} units to take out or put in.", "请扫 1 到 {most} 件要取出或放入的单件。"),
    ("One unit is named twice.", "有一件被扫了两次。"),
    ("Unit {place} to take out is not in carton {sscc}.", "要取出的第 {place} 件不在箱 {sscc} 里。"),
    ("Unit {place} to put in is in carton {sscc} already.", "要放入的第 {place} 件已在箱 {sscc} 里。"),
    ("Unit {place} of {count} is in carton {sscc} already.", "{count} 件中的第 {place} 件已在箱 {sscc} 里。"),
    (
        "Carton {sscc} was shipped under {document}: it cannot be dissolved any more.",
        "箱 {sscc} 已随发货单 {document} 发货，不能拆箱。",
    ),
    ("There is a carton {sscc} already.", "箱号 {sscc} 已存在。"),
    ("The {name} {key} is not made of digits only; it has {allowed} digits.", "{name} 只含数字，应有 {allowed} 位。"),
    (
        "The {name} {key} has {given} digits; it should have {allowed}.",
        "{name} 应有 {allowed} 位，现在是 {given} 位。",
    ),
    (
        "The {name} {key} ends in the check digit {given}; it should be {expected}.",
        "{name} 的校验位是 {given}，应为 {expected}，请核对。",
    ),
    ("A brand has at most {most} stations: revoke those that are gone.", "工位最多 {most} 个，请先收回不用的。"),
    ("There is a station {name} already.", "已有工位“{name}”。"),
    # Imports
    (
        "{most} imports wait already: confirm or cancel some of them first.",
        "已有 {most} 个导入在等待，请先确认或取消一些。",
    ),
    ("There is no import {name}; `yima codes imports` names them.", "没有导入 {name}。"),
    ("Import {name} has no good row.", "导入 {name} 没有可用的行。"),
    ("Codes of another brand bear the host {host}.", "域名 {host} 属于其他品牌的码。"),
    ("A file has at most {most} GiB; cut it.", "文件最大 {most} GiB，请分成几个。"),
    ("The file is empty.", "文件是空的。"),
    ("The file has more than {most} lines: cut it.", "文件超过 {most} 行，请分成几个。"),
    (
        (
            "The file cannot be stored: the disk is nearly full, and its rest is kept for the database. "
            "Make room, or try again later."
        ),
        "文件无法保存：磁盘将满，余量须留给数据库。请腾出空间，或稍后再试。",
    ),
    ("An upload holds one file: send the others by themselves.", "一次只能上传一个文件，其余请另行上传。"),
    ("The file cannot be stored: {why}.", "文件无法保存：{why}。"),
    ("The file is no text but {kind}.", "这不是文本文件。压缩包请先解压，Excel 工作簿请另存为 CSV。"),
    (
        "The file looks like UTF-16 without a byte order mark: name its encoding (utf-16-le), or save it as UTF-8.",
        "文件像是没有 BOM 的 UTF-16：请选择编码，或另存为 UTF-8。",
    ),
    ("The header has no column {column}.", "表头里没有名为“{column}”的列。"),
    ("Columns are numbered from 1 to {most}.", "列号是 1 到 {most}。"),
    ("The header cannot be read ({flaw}): choose the column by its number.", "表头无法读出，请改用列号。"),
    ("Choose a file.", "请选择文件。"),
    (
        "Import {name} is {state}: only one that is judged can be confirmed.",
        "导入 {name} 的状态是“{state}”，只有待确认的才能确认。",
    ),
    (
        "Import {name} is {state} and cannot be cancelled; its codes can be voided by range.",
        "导入 {name} 的状态是“{state}”，不能取消；可以在码批次页作废它的码。",
    ),
    ("Key {key} has only {left} units left: rotate it.", "密钥 {key} 只剩 {left} 件可用，请先更换密钥。"),
    (
        "{path} changed while it was read: import it again when it is whole.",
        "文件在读取时有变化，请等它完整后重新导入。",
    ),
    ("The length is {least} to {most} symbols, the least first.", "码长是 {least} 到 {most} 位，小的在前。"),
    ("The length is a number of symbols, or two of them: 20, or 8-12.", "码长写作 20，或 8-12。"),
    ("A pattern has at most {most} characters of ASCII and no spaces.", "样式最多 {most} 个 ASCII 字符，不含空格。"),
    ("A pattern's query is NAME=VALUE, joined by &.", "网址参数写作 名称=值，用 & 连接。"),
    ("Where the code is in the path, the pattern has no query.", "码在路径里时，样式不能再带参数。"),
    ("A pattern says once where the code stands: {place}.", "码的位置要有且只有一个 {place}。"),
    (
        "A pattern's address is http or https with a plain host name, and has no port, user or #.",
        "网址须以 http:// 或 https:// 开头，只有域名，不带端口、用户名和 #。",
    ),
    ("In a query the code is a field's whole value: NAME={place}.", "网址参数里，码须是整个值：名称={place}。"),
    # Keys
    ("There is no code key {key}; `yima keys list` names them.", "没有密钥 {key}。"),
    (
        "The brand's key was changed meanwhile: key {key} makes its new codes now.",
        "密钥刚刚被更换：现在由密钥 {key} 制作新码。",
    ),
    ("Key {key} is revoked: it cannot be retired any more.", "密钥 {key} 已吊销，不能再停用。"),
    (
        (
            "Key {key} is revoked ({reason}): no code of it is written or handed out any more. Order the goods "
            "again under a new key."
        ),
        "密钥 {key} 已吊销（{reason}），不再写出或下载它的码。请用新密钥重新订购。",
    ),
    (
        (
            "Key {key} is not released yet: two people must release it before codes of it are written (`yima "
            "keys release --key {again} --as EMAIL`, or the console's page of keys). The order is kept."
        ),
        "密钥 {key} 尚未放行：须先由两人在“码密钥”页放行，然后才写出码。订单保留。",
    ),
    ("Key {key} is released already.", "密钥 {key} 已放行。"),
    (
        "You have released key {key} already; the second word must be another person's.",
        "您已放行过密钥 {key}，第二次须由另一人确认。",
    ),
    ("A key leaked at a moment with a time zone, and not in the future.", "请填写一个已经过去的时间。"),
    ("A key cannot have leaked in the future.", "外泄时间不能在将来。"),
    ("This is no moment.", "这不是有效的时间。"),
    (
        "Key {key} is {state}: it makes no new codes, so there is nothing to release.",
        "密钥 {key} {state}，不再制作新码，无需放行。",
    ),
    (
        "Key {key} is not known to have leaked; `yima keys leak --key {again}` says so.",
        "密钥 {key} 没有登记为外泄，请先停止未扫过的码。",
    ),
    (
        "Batch {batch} is of key {key}, which is {state}: there is nothing to replace.",
        "批次 {batch} 的密钥 {key} {state}，无需重新订购。",
    ),
    ("Order {number} was ordered again {most} times already.", "订单 {number} 已重新订购 {most} 次。"),
    ("Choose 1 to {most} batches.", "请选择 1 到 {most} 个批次。"),
    # Forms
    ("An order number is missing.", "请填写订单号，1 到 60 个字符。"),
    ("Choose a state.", "请选择要做什么。"),
    ("{name} has more than {most} characters.", "内容太长，最多 {most} 个字符。"),
    ("The upload is incomplete or no form: send it again.", "上传不完整，请重试。"),
    ("An upload holds one file: send the others by themselves.", "一次只上传一个文件，其余请另行上传。"),
    ("{name} is a whole number from {low} to {high}.", "请填 {low} 到 {high} 的整数。"),
    ("Others are at it already; try again in a moment.", "正在处理其他人的文件，请稍后再试。"),
    ("There is no such page.", "没有这个页面，或者您无权查看。"),
)
"""English and Chinese; the first that fits holds."""

WORDS: Final[dict[str, str]] = {
    "This code": "这个码",
    "good": "良品",
    "waste": "废品",
    "returned": "退回",
    "missing": "缺失",
    "open": "进行中",
    "closed": "已结束",
    "layout": "版式",
    "label template": "标签模板",
    "The label": "标签",
    "Half of the label": "标签的一半",
    "wide": "宽",
    "high": "高",
    "active": "使用中",
    "retired": "已停用",
    "revoked": "已吊销",
    "reading": "读取中",
    "judged": "待确认",
    "placing": "上线中",
    "live": "已上线",
    "failed": "失败",
    "cancelled": "已取消",
    "removed": "已删除",
    "taken": "命令行已取走",
    "ready": "就绪",
    "requested": "排队中",
    "writing": "生成中",
    "No space left on device": "磁盘已满",
    "Permission denied": "没有写入权限",
}
"""Words that fill gaps."""

PARTS: Final[tuple[tuple[str, str], ...]] = (
    (r"Code (\d+) of (\d+)", r"第 \1 个码（共 \2 个）"),
    (r"roll ([\d,]+)", r"第 \1 卷"),
    (r"lines ([\d,]+)–([\d,]+)", r"第 \1–\2 行"),
    (r"[Cc]olumn (\d+)(?: \([^)]*\))?", r"第 \1 列"),
)
"""Patterns of what fills a gap, and the same in Chinese."""

INNER: Final[tuple[tuple[str, str], ...]] = (
    (r" and ([\d,]+) more$", r" 及另外 \1 段"),
    (r"(?<=\d), (?=\d)", "、"),
    (r"\bproduct \((\S+), now (\S+)\)", r"商品（原 \1，现 \2）"),
    (r"\bcount \((\S+), now (\S+)\)", r"数量（原 \1，现 \2）"),
    (r"\bspare \((.+?), now (.+?)\)", r"备品率（原 \1，现 \2）"),
    (r"\bform \((\S+), now (\S+)\)", r"网址形式（原 \1，现 \2）"),
    (r"\bpair \(True, now False\)", "内外双码（原有，现无）"),
    (r"\bpair \(False, now True\)", "内外双码（原无，现有）"),
    (r"\bprinted host \((\S+), now (\S+)\)", r"印刷域名（原 \1，现 \2）"),
    (r"\blayout \((\S+), now (\S+)\)", r"版式（原 \1，现 \2）"),
    (r"\brecipient\b", "收件方"),
    (r"(?<=）), ", "、"),
)
"""Rewritings within what fills a gap."""
