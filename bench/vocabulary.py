"""Made-up parties and goods for the corpus. Every name says that it is invented; no code belongs to anyone."""

from __future__ import annotations

import random
from dataclasses import dataclass

from bench.independent import organisation_check, uscc_check
from render.model.invoice import Party

FAKE_REGION = "990000"
"""No place in China has this administrative code."""

_SOUNDS = "青云松鹤星河白鹭晨光远山南溪海棠竹影清泉明月枫桥"
_TRADES = ("科技", "商贸", "建材", "食品", "物流", "文化", "电子", "医疗器械", "纸业", "农业", "能源", "餐饮管理")
_FORMS = ("有限公司", "股份有限公司", "有限责任公司", "中心（有限合伙）")
_SURNAMES = "赵钱孙李周吴郑王冯陈"
LONG_PARTY_NAME = "虚构（示例）跨区域综合能源装备制造与供应链协同服务产业发展联合运营管理股份有限公司第十二分公司"
RARE_PARTY_NAME = "虚构䶮㛃𬭊鿏新材料示例有限公司"
RARE_PERSONS = ("阿依古丽·示例", "示例䶮", "示例㛃")


@dataclass(frozen=True, slots=True)
class Goods:
    """What a line sells: short class name of the tax platform (between stars), name, specification and unit."""

    family: str
    name: str
    spec: str
    unit: str
    tax_code: str

    @property
    def printed(self) -> str:
        """The name as it stands on the face: ``*family*name``."""
        return f"*{self.family}*{self.name}"


GOODS = (
    Goods("纸制品", "示例复印纸", "A4 70g", "箱", "9901010000000000001"),
    Goods("计算机外部设备", "示例键盘", "K-104", "个", "9901020000000000002"),
    Goods("信息技术服务", "虚构软件维护费", "", "次", "9903040000000000003"),
    Goods("谷物加工品", "样品大米", "5kg/袋", "袋", "9901030000000000004"),
    Goods("餐饮服务", "餐费（示例）", "", "", "9903070000000000005"),
    Goods("金属制品", "示例不锈钢紧固件", "M8×40 304", "千克", "9901080000000000006"),
    Goods("运输服务", "示例货物运费", "", "吨公里", "9903010000000000007"),
    Goods("电线电缆", "样品铜芯电缆", "YJV 4×25+1×16", "米", "9901090000000000008"),
    Goods("化学药品制剂", "示例葡萄糖注射液", "250ml:12.5g", "瓶", "9901070000000000009"),
    Goods("研发和技术服务", "虚构技术咨询费", "", "项", "9903040000000000010"),
)
LONG_GOODS = Goods(
    "计算机配套产品",
    "示例多功能高可靠性工业级边缘计算网关一体化控制终端（含安装调试、三年质保与现场培训服务，虚构型号）",
    "XG-9000/PRO-16C64G2T",
    "台",
    "9901090000000000011",
)
RARE_GOODS = Goods("有色金属及合金", "𬭊鿏㛃䶮合金样品（示例·甲）", "Φ12", "克", "9901080000000000012")


def made_up_tax_id(rng: random.Random) -> str:
    """Return a code that passes GB/T 32100 and GB 11714, in a region that does not exist."""
    body = f"FAKE{rng.randrange(10_000):04d}"
    first = f"91{FAKE_REGION}{body}{organisation_check(body)}"
    return first + uscc_check(first)


def made_up_company(rng: random.Random, *, name: str = "") -> Party:
    """Return a company with every field filled."""
    sound = "".join(rng.sample(_SOUNDS, 2))
    return Party(
        name=name or f"虚构{sound}{rng.choice(_TRADES)}示例{rng.choice(_FORMS)}",
        tax_id=made_up_tax_id(rng),
        address=f"虚构市示例区样本路{rng.randrange(1, 1000)}号",
        phone=f"000-{rng.randrange(10**8):08d}",
        bank=f"虚构银行示例支行{rng.randrange(1, 100)}",
        account=f"{rng.randrange(10**12):019d}",
    )


def made_up_person(rng: random.Random) -> Party:
    """Return a private buyer: a name and nothing else."""
    return Party(name=f"{rng.choice(_SURNAMES)}示例（个人）")


def made_up_clerk(rng: random.Random) -> str:
    """Return the name of a person who issues invoices."""
    return f"{rng.choice(_SURNAMES)}示例"
