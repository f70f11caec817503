"""Words of the console's page `cartons`."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "cartons.title": ("修箱", "Cartons"),
    "cartons.lead": (
        "箱里装错了：取出、换一件，或拆箱后重新装箱。每次都留痕。",
        "A carton that is wrong: take a unit out, replace it, or unpack and pack again. Everything is on the trail.",
    ),
    "cartons.sscc": ("箱号 SSCC", "SSCC"),
    "cartons.find": ("查箱", "Look"),
    "cartons.units": ("箱内件数", "Units inside"),
    "cartons.packed": ("已装箱 {n} 件。", "{n} units are packed."),
    "cartons.packed.at": ("装箱时间", "Packed"),
    "cartons.document": ("发货单", "Shipped under"),
    "cartons.inside": ("箱内", "Inside"),
    "cartons.batch": ("批次", "Batch"),
    "cartons.lines": ("行", "Lines"),
    "cartons.empty": ("空箱。", "It is empty."),
    "cartons.change": ("取出或换入", "Take out, put in"),
    "cartons.out": ("取出（扫码，可多个）", "Take out (scan codes)"),
    "cartons.put": ("放入（扫码，可多个）", "Put in (scan codes)"),
    "cartons.reason": ("理由", "Reason"),
    "cartons.change.go": ("修改", "Change"),
    "cartons.changed": ("已修改，箱内 {n} 件。", "Changed: {n} units inside."),
    "cartons.unpack": ("拆箱", "Unpack"),
    "cartons.unpack.ask": (
        "拆箱后 {n} 件不属于任何箱，箱号可再用。",
        "Its {n} units will be in no carton, and its number is free again.",
    ),
    "cartons.unpacked": ("已拆箱，{n} 件。", "Unpacked: {n} units."),
    "cartons.pack": ("重新装箱", "Pack a carton"),
    "cartons.pack.codes": ("逐件扫码", "Scan each unit"),
    "cartons.pack.go": ("装箱", "Pack"),
    "problem.out": ("有的件不在箱内，或码无法识别。", "One of these is not in the carton, or no code."),
    "problem.put": ("有的件已在别的箱内，或码无法识别。", "One of these is in a carton already, or no code."),
    "problem.carton": ("没有这个箱，或箱是空的。", "There is no such carton, or it is empty."),
    "problem.sscc": ("这个箱号已存在，或不是 SSCC。", "This SSCC exists already, or is none."),
}
