"""The Chinese text that the encoding benchmark encodes: by script, genre and half of the books.

Covers our own novel and classical tales (always there) and, where it is given, a corpus of
public-domain novels packed as `novels.tar.xz`. Books are split by the hash of their names into the
half `tune`, which a detector may be improved on, and the half `report`, which only measures.
Does not cover bytes: `encoding_cases` encodes and damages.
"""

import functools
import hashlib
import random
import re
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
NOVEL = HERE.parents[1] / "assets" / "novel" / "chapters"
HALVES = ("tune", "report")
SCRIPTS = ("simplified", "traditional")
GENRES = ("classical", "modern", "dialogue")
MODERN_BOOKS = ("呐喊", "彷徨", "野草", "朝花夕拾", "缀网劳蛛", "空山灵雨")
# Book characters between two quotation marks are dialogue; a turn shorter than this is a word.
_SHORTEST_TURN = 12

ENGLISH = (
    "The ferry left before the fog had lifted.\nNobody on the quay said a word; they "
    "had all read the same letter.\n“Come back in spring,” she wrote, “when the river is low.”\n"
    "He folded the page twice and put it where the coins had been.\n"
)

# One character for one, by frequency in our own texts: for machines without OpenCC.
_SIMPLIFIED = (
    "个说来着里没过头这么还两贺后连点钟边从财见声师纸问马门开样听罗写长话们时间条铅给几号会为对张儿进块车谁别盘响东兰页当脚数台讲红铺灯装发机绳笔干铁阶盖让记线双认厂"
    "墙气画妈错摆颗动轻转铸带账经脸订钱坏觉换级书圆树县岁种缝桥齐划卖风压净镇满该旧柜断现壶码学难关吗夹兴于远顶处镜楼挂饭拧摇橹紧钥轮游亲弯应够细许刚凉乱栏丢顺离铜稳"
    "价却传递报钉归盏黄烟粮冲槛买准鱼总砖举锁链实结缆辈静补围宽顾请纪册扑热笃帮论规贴脱续裤拨电锈搁滚户惯扫烧闭横办涨湿愿衬标货并状浅无砚队妇轨闷场邻习鸡雾赶决诉浇枣"
    "针颜罢层奖单拣烂阳骂与脑挤调随领阵抡齿万凑将余摊献废读语杠怀绕显惊辆爱温踪厘抠邮炉谈飞剥锣谢尽叹误视节担浆叠试虚泪胶缠题临晒灭俩烫识鲫咸约占侧缩计吓赔斗轴喷钝匀"
    "备软坠荚捡产云迟闻岂则荡哑厉团体吨鼋据运档霉练皱猪丝聪纳确睁严闲挡购筛锉变锅驼晓鸣讫销积减溅顿证签伙强饿脏哟径涂环伞阁滩银须虽争负昼污叶罚纷闹搀纤词编桨芦苇舱蓝"
    "晕盐沟烦篮捞疯险额汤养拢仓怆医垫历崭艺缕劲设闩毡胆极抢验伤劳驾馆挥屉呛欢绸评凭录瞒亏员图润残猫况咙称倾撑赚饼谨浑夸绿锃桩袜闺椭哗嘱复窝纠挣悬鸟费帘阎爷贱涌鹭鸭渗"
)
_TRADITIONAL = (
    "個說來著裡沒過頭這麼還兩賀後連點鐘邊從財見聲師紙問馬門開樣聽羅寫長話們時間條鉛給幾號會為對張兒進塊車誰別盤響東蘭頁當腳數臺講紅鋪燈裝發機繩筆幹鐵階蓋讓記線雙認廠"
    "牆氣畫媽錯擺顆動輕轉鑄帶賬經臉訂錢壞覺換級書圓樹縣歲種縫橋齊劃賣風壓淨鎮滿該舊櫃斷現壺碼學難關嗎夾興於遠頂處鏡樓掛飯擰搖櫓緊鑰輪遊親彎應夠細許剛涼亂欄丟順離銅穩"
    "價卻傳遞報釘歸盞黃煙糧衝檻買準魚總磚舉鎖鏈實結纜輩靜補圍寬顧請紀冊撲熱篤幫論規貼脫續褲撥電鏽擱滾戶慣掃燒閉橫辦漲溼願襯標貨並狀淺無硯隊婦軌悶場鄰習雞霧趕決訴澆棗"
    "針顏罷層獎單揀爛陽罵與腦擠調隨領陣掄齒萬湊將餘攤獻廢讀語槓懷繞顯驚輛愛溫蹤釐摳郵爐談飛剝鑼謝盡嘆誤視節擔漿疊試虛淚膠纏題臨曬滅倆燙識鯽鹹約佔側縮計嚇賠鬥軸噴鈍勻"
    "備軟墜莢撿產雲遲聞豈則蕩啞厲團體噸黿據運檔黴練皺豬絲聰納確睜嚴閒擋購篩銼變鍋駝曉鳴訖銷積減濺頓證籤夥強餓髒喲徑塗環傘閣灘銀須雖爭負晝汙葉罰紛鬧攙纖詞編槳蘆葦艙藍"
    "暈鹽溝煩籃撈瘋險額湯養攏倉愴醫墊歷嶄藝縷勁設閂氈膽極搶驗傷勞駕館揮屜嗆歡綢評憑錄瞞虧員圖潤殘貓況嚨稱傾撐賺餅謹渾誇綠鋥樁襪閨橢譁囑復窩糾掙懸鳥費簾閻爺賤湧鷺鴨滲"
)
_TO_TRADITIONAL = str.maketrans(_SIMPLIFIED, _TRADITIONAL)
_CORNER_QUOTES = str.maketrans("“”‘’", "「」『』")


def half_of(name: str) -> str:
    """The half that a book belongs to, by the hash of its name alone."""
    return HALVES[hashlib.sha256(name.encode("utf-8")).digest()[0] & 1]


@functools.cache
def _opencc(profile: str):
    try:
        import opencc
    except ImportError:
        return None
    return opencc.OpenCC(profile)


def to_traditional(text: str, profile: str = "s2t", corner_quotes: bool = False) -> str:
    """Traditional script, by OpenCC where it is installed, else by the short table above."""
    converter = _opencc(profile)
    text = converter.convert(text) if converter else text.translate(_TO_TRADITIONAL)
    return text.translate(_CORNER_QUOTES) if corner_quotes else text


@dataclass(frozen=True)
class Library:
    """Simplified texts: genre → the books' texts."""

    books: dict[str, tuple[str, ...]]
    names: tuple[str, ...]

    def excerpt(self, genre: str, characters: int, rng: random.Random) -> str:
        """So many characters from a random place, further books of the genre following."""
        books = self.books[genre]
        number = rng.randrange(len(books))
        start = rng.randrange(len(books[number]))
        pieces, missing = [], characters
        while missing > 0:
            piece = books[number % len(books)][start : start + missing]
            pieces.append(piece)
            missing -= len(piece)
            number, start = number + 1, 0
        return "".join(pieces).lstrip()


def load_library(corpus: Path | None = None, half: str = "all") -> Library:
    """Our own texts and those of `corpus/novels.tar.xz` (if there) in one half of the books."""
    texts = [("modern", path.stem, path.read_text(encoding="utf-8")) for path in _chapters()]
    tales = (HERE / "encoding_classical.txt").read_text(encoding="utf-8")
    texts += [("classical", tale[:2], tale) for tale in re.split(r"(?m)^(?=卷.　)", tales)[1:]]
    texts += read_corpus(corpus) if corpus else []
    kept = [entry for entry in texts if half in ("all", half_of(entry[1]))]
    books = {genre: tuple(text for g, _, text in kept if g == genre) for genre in GENRES}
    books["dialogue"] = tuple(filter(None, (_dialogue(text) for _, _, text in kept)))
    return Library(books, tuple(name for _, name, _ in kept))


def _chapters() -> list[Path]:
    return sorted(NOVEL.glob("*.txt"))


def read_corpus(folder: Path) -> list[tuple[str, str, str]]:
    """(genre, name, text) of every book."""
    path = folder / "novels.tar.xz"
    if not path.is_file():
        return []
    found = []
    with tarfile.open(path) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is None or not member.name.endswith(".txt"):
                continue
            name = Path(member.name).stem
            genre = "modern" if name in MODERN_BOOKS else "classical"
            found.append((genre, name, content.read().decode("utf-8")))
    return sorted(found)


def _dialogue(text: str) -> str:
    """The paragraphs of a book that are mostly speech."""
    return "\n".join(line for line in text.split("\n") if _is_speech(line))


def _is_speech(line: str) -> bool:
    turns: Iterable[str] = (part.split("”")[0] for part in line.split("“")[1:])
    spoken = sum(len(turn) for turn in turns if len(turn) >= _SHORTEST_TURN)
    return 2 * spoken > len(line)
