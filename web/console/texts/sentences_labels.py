"""What layouts, label templates and printing refuse; a part of `sentences`."""

from typing import Final

LABELS: Final[tuple[tuple[str, str], ...]] = (
    # Notes of what is built in
    ("One URL a line; with a pair OUTER,INNER.", "每行一个网址；双码时为 外码,内码。"),
    (
        "To look at in a spreadsheet: a header, a byte order mark, formulas neutralised.",
        "供电子表格查看：有表头和 BOM，公式已失效。",
    ),
    ("The same in GB18030, for older Chinese Windows programs.", "同上，GB18030 编码，供较旧的中文 Windows 程序使用。"),
    (
        "A pair a row, with its line: two heads on one line, or pairing afterwards.",
        "每行一对码及行号：一条线上两个喷头，或事后配对。",
    ),
    ("Outer codes alone: the file for the printer of the pack.", "只有外码：给印包装的印刷厂。"),
    ("Inner codes alone: the file for the printer of the cap.", "只有内码：给印瓶盖的印刷厂。"),
    (
        "Domino (QuickDesign): comma, CR LF, no header; URL for the symbol, groups of four for people.",
        "多米诺 Domino（QuickDesign）：逗号、CR LF、无表头；网址用于二维码，四位一组供人读。",
    ),
    (
        "Videojet (CLARiSUITE): header of field names, comma, CR LF, UTF-8 with its mark.",
        "伟迪捷 Videojet（CLARiSUITE）：表头为字段名，逗号、CR LF、UTF-8 带 BOM。",
    ),
    (
        "Markem-Imaje (CoLOS, a text file by ODBC): header, semicolon, CR LF.",
        "马肯依玛士 Markem-Imaje（CoLOS，经 ODBC 读文本）：表头、分号、CR LF。",
    ),
    (
        "Linx (remote fields, one a print): one URL a line, CR LF.",
        "领新达嘉 Linx（远程字段，每印一条）：每行一个网址，CR LF。",
    ),
    ("Hitachi (serial transmission of fields): tab, CR alone.", "日立 Hitachi（串口传送字段）：制表符，只有 CR。"),
    (
        "Keyence laser markers (Marking Builder): comma, CR LF, one row a mark.",
        "基恩士 Keyence 激光刻印机（Marking Builder）：逗号、CR LF，每行一刻。",
    ),
    (
        "Addressing machines that want records of one length, with a check column.",
        "要求等长记录的喷印设备，带校验列。",
    ),
    ("Domestic inkjet and laser controllers that read GB18030 text.", "读 GB18030 文本的国产喷码、激光控制器。"),
    (
        "A4, 8 x 10 labels of 24.25 x 28.1 mm, to be cut: the house's own sheet.",
        "A4，8 × 10 枚，24.25 × 28.1 毫米，需裁切：默认版面。",
    ),
    (
        "A4, 5 x 8 labels of 36 x 33 mm with crop marks, GTIN and lot.",
        "A4，5 × 8 枚，36 × 33 毫米，带裁切线、GTIN 和生产批号。",
    ),
    ("A4, 3 x 7 labels of 63.5 x 38.1 mm (as Avery L7160).", "A4，3 × 7 枚，63.5 × 38.1 毫米（同 Avery L7160）。"),
    ("A4, 5 x 13 labels of 38.1 x 21.2 mm (as Avery L7651).", "A4，5 × 13 枚，38.1 × 21.2 毫米（同 Avery L7651）。"),
    ("A4, 3 x 8 labels of 70 x 37 mm without gaps.", "A4，3 × 8 枚，70 × 37 毫米，无间隔。"),
    (
        "Letter, 3 x 10 labels of 2 5/8 x 1 inch (as Avery 5160).",
        "Letter 纸，3 × 10 枚，2⅝ × 1 英寸（同 Avery 5160）。",
    ),
    (
        "Letter, 4 x 20 labels of 1 3/4 x 1/2 inch (as Avery 5167).",
        "Letter 纸，4 × 20 枚，1¾ × ½ 英寸（同 Avery 5167）。",
    ),
    ("Roll, 30 x 20 mm: lines beside the symbol.", "标签卷，30 × 20 毫米：文字在二维码右侧。"),
    ("Roll, 30 mm wide, 40 mm high: symbol above, lines below.", "标签卷，宽 30、高 40 毫米：二维码在上，文字在下。"),
    ("Roll, 40 x 30 mm: symbol above, lines below.", "标签卷，40 × 30 毫米：二维码在上，文字在下。"),
    ("Roll, 50 x 30 mm: logo and lines beside the symbol.", "标签卷，50 × 30 毫米：标志和文字在二维码右侧。"),
    ("A4, 4 x 10 labels with both codes of a unit, outer and inner.", "A4，4 × 10 枚，每枚印内外两个码。"),
    ("Roll, 60 x 40 mm, both codes of a unit.", "标签卷，60 × 40 毫米，每枚印内外两个码。"),
    # Refusals
    (
        "A {what}'s name has 1 to {most} characters a-z, 0-9 and single hyphens, not {given}.",
        "名称有 1 到 {most} 个字符：小写字母、数字和单个连字符。",
    ),
    (
        "{name} is one line of at most {most} characters, all of which can be shown.",
        "只能有一行，最多 {most} 个字符，且都能显示。",
    ),
    ("{name} is one of {known}, not {given}.", "请从选项中选择，不能是“{given}”。"),
    ("{name} is a whole number from {low} to {high}, not {given}.", "请填 {low} 到 {high} 的整数，不能是“{given}”。"),
    ("{name} is a pair of numbers, across and down.", "请填两个数：横和竖。"),
    ("{name} is a number from {low} to {high}, not {given}.", "请填 {low} 到 {high} 的数，不能是“{given}”。"),
    ("grid is a pair of whole numbers: labels across and down.", "枚数是两个整数：横和竖。"),
    ("lines is a list of at most {most} texts.", "文字最多 {most} 行。"),
    (
        "The delimiter is one ASCII character or one of {known}, not {given}.",
        "分隔符是一个 ASCII 字符，或列表中的一种，不能是“{given}”。",
    ),
    ("The delimiter is a quote: rows could not be read again.", "引号不能作分隔符，文件将无法读回。"),
    (
        (
            "A line that changes from label to label names {name}, and {value} is not plain ASCII: give it a line of "
            "its own."
        ),
        "随码变化的行里写了 {{{name}}}，而“{value}”不全是 ASCII：请让它单独成行。",
    ),
    ("A print head has {known} dots an inch.", "打印机分辨率只能是 {known} dpi。"),
    ("There is no layout {name}; `yima codes layouts list` names them.", "没有版式“{name}”。"),
    ("{name} is a layout of the house: copy it under another name.", "{name} 是内置版式，请换一个名称保存。"),
    ("{name} is a template of the house: copy it under another name.", "{name} 是内置模板，请换一个名称保存。"),
    ("There is no label template {name}; `yima labels templates list` names them.", "没有标签模板“{name}”。"),
    ("A brand keeps at most {most} {kind}s: remove one first.", "自有{kind}最多 {most} 个，请先删除一个。"),
    ("A layout has 1 to {most} columns, not {given}.", "版式有 1 到 {most} 列，不能是 {given} 列。"),
    (
        "The delimiter {delimiter} stands in codes, URLs or numbers: rows could not be read again.",
        "分隔符“{delimiter}”会出现在码、网址或数字里，文件将无法读回。",
    ),
    ("No column holds the code or its URL: nothing could be printed.", "没有任何一列是码或网址，无从印刷。"),
    ("Column {number} repeats column {other}: {kind}.", "第 {number} 列与第 {other} 列重复。"),
    ("Columns {one} and {other} have one title, {title}.", "第 {one} 列与第 {other} 列标题相同：{title}。"),
    (
        "Column {number}: groups are separated by the delimiter itself, and not everything is quoted.",
        "第 {number} 列：分组符就是分隔符，又没有全部加引号。",
    ),
    (
        "Column {number} of the layout {name} is of the inner code, and the batch has one code a unit.",
        "版式 {name} 的第 {number} 列是内码，而此批次每件只有一个码。",
    ),
    ("{where}: a column of kind text, and no other, has a text.", "{where}：只有“固定文字”列要填文字，且必须填。"),
    ("{where}: only a number has a width, not {kind}.", "{where}：只有数字列可以补零。"),
    (
        "{where} is {value}, which holds the delimiter, a quote or a line end, and the layout {name} quotes nothing.",
        "{where}是“{value}”，含有分隔符、引号或换行，而版式 {name} 不加引号。",
    ),
    (
        "{where} holds {symbol}, which {encoding} does not have.",
        "{where}含有“{symbol}”，{encoding} 编码里没有这个字。",
    ),
    (
        (
            "{half} is {wide} x {high} mm; the symbol of {symbol} mm with its quiet zone of {zone} modules{logo} "
            "and the lines need {need_wide} x {need_high} mm."
        ),
        (
            "{half}为 {wide} × {high} 毫米；{symbol} 毫米的二维码连同 {zone} 个模块的静区、标志和文字需"
            "要 {need_wide} × {need_high} 毫米。"
        ),
    ),
    (
        "A page holds 1 to {most} labels, not {across} x {down}.",
        "一页有 1 到 {most} 枚标签，不能是 {across} × {down}。",
    ),
    (
        (
            "A symbol of {size} modules on {given} mm has modules of {module} mm; phones need {least} mm, that "
            "is {need} mm."
        ),
        "{given} 毫米的二维码有 {size} 个模块，每个 {module} 毫米；手机需要 {least} 毫米，即边长至少 {need} 毫米。",
    ),
    (
        (
            "At {dpi} dpi a module of {module} mm is {dots} dots, and with {whole} whole ones {made} mm; phones "
            "need {least} mm."
        ),
        "{dpi} dpi 下 {module} 毫米的模块是 {dots} 点，取整 {whole} 点为 {made} 毫米；手机需要 {least} 毫米。",
    ),
    (
        "A logo {height} mm high leaves nothing to draw; it needs more than {least} mm.",
        "标志高 {height} 毫米太小，须大于 {least} 毫米。",
    ),
    ("Line {number} is blank, or has a brace without its other.", "第 {number} 行是空的，或花括号不成对。"),
    (
        (
            "Line {number} changes from label to label: only its gaps and ASCII without quotes and backslashes "
            "may stand in it; put other text in a line of its own."
        ),
        "第 {number} 行随码变化：除空位外只能有 ASCII 字符，不含引号和反斜杠；其他文字请另起一行。",
    ),
    ("Line {number} names {name}; there are {known}.", "第 {number} 行写了 {{{name}}}；可用的有 {known}。"),
    ("A label's sides are above 0 mm, margins and gaps at least 0.", "标签的边长须大于 0 毫米，边距和间隔不小于 0。"),
    (
        (
            "{count} labels of {label} mm with gaps of {gap} mm after a margin of {margin} mm take {taken} mm; "
            "the page is {page} mm {word}."
        ),
        (
            "边距 {margin} 毫米后排 {count} 枚 {label} 毫米的标签、间隔 {gap} 毫米，共需 {taken} 毫米；纸{word} "
            "{page} 毫米。"
        ),
    ),
    (
        "Crop marks need margins of {need} mm on all sides; one is {room} mm.",
        "裁切线四周各需 {need} 毫米边距，有一边只有 {room} 毫米。",
    ),
    (
        "The line {text} has {room} mm of room: its letters would be {letter} mm high, below {least} mm.",
        "“{text}”这一行只有 {room} 毫米，字高只剩 {letter} 毫米，低于 {least} 毫米。",
    ),
    (
        (
            "No installed font has the characters {least} of {text}; install one (Debian: fonts-noto-cjk) or "
            "name a font file."
        ),
        "已安装的字体没有“{text}”中的“{least}”，请联系运维安装中文字体。",
    ),
    (
        "The template {name} has both codes of a unit, and the batch has one code a unit.",
        "模板 {name} 要印内外两个码，而此批次每件只有一个码。",
    ),
    ("A lot has at most {most} ASCII characters.", "生产批号最多 {most} 个 ASCII 字符。"),
    (
        "The order of batch {batch} is closed: no labels are printed or handed out any more.",
        "批次 {batch} 的订单已关闭，不再打印或下载标签。",
    ),
    ("There is no such label job.", "没有这个标签任务。"),
    (
        "The labels are not printed yet, or their file was removed: print them again.",
        "标签尚未生成，或文件已删除，请重新打印。",
    ),
    (
        "Paper of {wide} x {high} mm is too large to be shown here; it can be printed.",
        "{wide} × {high} 毫米的纸太大，这里无法预览，但可以打印。",
    ),
    ("Cannot write {path}: {why}.", "无法写入 {path}：{why}。"),
    ("Cannot make the folder of the packages: {why}.", "无法建立码包文件夹：{why}。"),
)
"""English and Chinese."""
