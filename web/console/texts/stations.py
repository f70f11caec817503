"""Words of the console's page `stations`."""

from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "stations.title": ("工位", "Stations"),
    "stations.lead": (
        "产线上的相机、手持机和工控机，各有自己的令牌，随时可收回。",
        "Cameras, hand scanners and computers of the line, each with a token of its own that can be withdrawn.",
    ),
    "stations.none": ("还没有工位。", "No station yet."),
    "stations.name": ("名称", "Name"),
    "stations.may.capture": ("采集、登记、修箱", "Capture, count, repair cartons"),
    "stations.may.switch": ("及变更码状态", "and give codes states"),
    "stations.seen": ("最近使用", "Last seen"),
    "stations.seen.never": ("从未", "never"),
    "stations.revoked": ("工位 {name} 的令牌已收回。", "The token of station {name} is withdrawn."),
    "stations.revoked.badge": ("已收回", "Revoked"),
    "stations.revoke": ("收回", "Revoke"),
    "stations.revoke.ask": (
        "收回 {name} 的令牌？它将立即停用，不能恢复。",
        "Withdraw the token of {name}? It stops at once, for good.",
    ),
    "stations.make": ("添加工位", "Add a station"),
    "stations.make.switch": (
        "也可变更码状态（激活、冻结、作废…）",
        "It may also give codes states (activate, freeze, void …)",
    ),
    "stations.make.go": ("添加", "Add"),
    "stations.token": ("{name} 的令牌", "The token of {name}"),
    "stations.token.once": (
        "只显示这一次，请现在录入设备。我们只保存它的哈希。",
        "It is shown this once: enter it into the device now. We keep its hash only.",
    ),
    "problem.name": ("名称有 1 到 60 个字符，且不重复。", "A name of 1 to 60 characters that is not taken."),
}
