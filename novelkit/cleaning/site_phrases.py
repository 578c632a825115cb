"""The phrases of download sites, by what they say and not by whose they are.

`ANYWHERE` holds what no narrator writes, `CONDITIONAL` what needs a second witness, `FURNITURE`
the buttons and notices that are whole lines of a site's page. Each named group is one kind of mark.
All are matched against folded text (see `advertisements.fold`). `KEYWORDS` are what a raw line must
hold for any of them to match: a search for those is the only cost for a clean book.
"""

import re

import numpy as np

_TLD = "(?:com|net|org|cn|cc|info|tw|hk|xyz|top|vip)"
# A dot in an address, also as sites write it to slip past each other's filters.
_DOT = "[.。·•,、●点點]"
ANYWHERE = re.compile(
    r"(?P<address>(?:https?[:：]?//|(?<![a-z0-9])w[\W_]?w[\W_]?w(?:[\W_]{1,2}|[点點])[a-z0-9]"
    rf"|[a-z0-9-]{{2,}}[.。·]{_TLD}/[a-z0-9])[a-z0-9./:_-]*)"
    r"|(?P<reader>手机用户请.{0,30}阅读)|(?P<popup>无弹窗)"
    r"|(?P<text_file>txt(?:电子书|下载|全集|小说下载))|(?P<length>本章字数[:：])"
    r"|(?P<updated>更新时间[:：])"
    r"|(?P<marker>[-=*@]{2,}章节内容(?:开始|结束))"
    r"|(?P<paging>点击下一[页章]|下一[页章]继续(?:阅读|看)|继续阅读下一)"
    r"|(?P<votes>求(?:收藏|推荐票|月票|订阅|打赏|鲜花|花花).{0,3}求?(?:收藏|推荐票|月票|订阅|打赏|鲜花|花花))"
    r"|(?P<thanks>感谢.{0,60}(?:打赏|月票|推荐票|起点币))|(?P<share>网址(?:发给|分享|告诉))"
    r"|(?P<key>按.{1,8}键(?:返回|进入))|(?P<path>当前的?位置[:：].*[>＞»])"
    r"|(?P<group>(?:书友|读者|粉丝|q)q?群号?[:：]?[0-9]{5,})"
)
CONDITIONAL = re.compile(
    rf"(?P<domain>[a-z0-9-]{{2,}}{_DOT}[a-z0-9-]*{_DOT}?{_TLD}(?![a-z])"
    r"|[a-z0-9_.-]{2,}@[a-z0-9-]{2,}\.[a-z]{2,})"
    r"|(?P<phone>手机用户请|手机(?:电子书|阅读|看书|同步))"
    r"|(?P<origin>(?:本书|小说|本文)(?:下载自|来自|转载自|由.{1,20}?(?:整理|制作|提供|上传|收集)))"
    r"|(?P<more>更多(?:精彩|好看|免费|txt|最新|原创)?.{0,8}(?:小说|电子书|好书)"
    r"[^。]{0,12}?(?:请|尽在|下载|登陆|登录|访问|就到)|更多(?:精彩|好看|免费)(?:小说|好书))"
    r"|(?P<posted>(?:更新|发布|上传)时间[:：]?[0-9])"
    r"|(?P<keep>(?:记住|收藏)(?:本站|网址)|一秒(?:钟)?记住|请记住本书)"
    r"|(?P<latest>最新章节(?:请|尽在|列表|免费|[!！])|[看找](?:本书)?最新章节|最[新快]章节)"
    r"|(?P<fastest>(?:更新|速度)(?:全网)?(?:最快|更快)|最快更新|更多更快|最新.?最快|全网最快)"
    r"|(?P<first>(?:网|吧|书院|阁|文学|本站|独家|本书)首发|首发(?:域名|网站|地址|网址|[:：]))"
    r"|(?P<place>(?:最新|阅读|手机版|手机站|备用|永久)(?:网址|域名|地址)|(?:手机站|网站|站点).{0,8}地址)"
    r"|(?P<search>(?:百度|搜狗|谷歌)(?:一下|搜索|[里中上]搜))"
    r"|(?P<brand>(?:小说|读书|看书|文学|中文|书友|电子书)[网吧站]|书网)"
    r"|(?P<collect>请?大家收藏|建议您收藏|欢迎您?收藏)"
    r"|(?P<source>转载请注明)|(?P<account>微信公众号|公众号)|(?P<scan>扫(?:描|一扫)?.{0,4}二维码)"
    r"|(?P<unfinished>未完待续|本章未完)|(?P<welcome>欢迎您?来|欢迎加入)"
    r"|(?P<power>(?:是|就是)(?:我|[一-龥]{2,3})?(?:最大|更新|写作|码字)的动力)"
    r"|(?P<clear>看清爽的小说)|(?P<add>今[天日][二三四五]更|加更)"
    r"|(?P<error>章节(?:错误|报错))|(?P<report>[击此]举报)|(?P<support>支持(?:作者|正版|本书|本站))"
    r"|(?P<record>(?:阅读|浏览)记录)|(?P<shelf>打开书架|加入书架|点击.{0,8}收藏)"
    r"|(?P<visit>(?:登陆|登录|访问|前往|关注|请到|尽在).{1,10}[网站吧])"
    r"|(?P<web>(?:来自|转载自)(?:互联网|网络)|不[做负].{0,4}责|网友(?:上传|整理))"
    r"|(?P<upload>由(?:书友|网友|会员).{1,12}?(?:上传|整理|提供))"
    r"|(?P<made>网?(?:整理|制作|校对|排版)(?:提供|上传|制作))"
    r"|(?P<text_only>(?:文字版|全文字)(?:首发|更新))|(?P<to_site>看(?:小说|书)[就请]?[到来].{0,6}网)"
    r"|(?P<offer>提供下载|欢迎.{0,10}光临|尽在.{2,8}[!！])|(?P<typed>手打(?:文字|版|更新))"
    r"|(?P<genuine>看正版)|(?P<turn>第?[一二三四五]更(?:送到|奉上|到|[,，、]))"
    r"|(?P<plain>无广告.{0,6}小.?说)"
    r"|(?P<text_novel>txt小说)|(?P<rights>版权归?(?:原|作者|出版).{0,10}所有)"
    r"|(?P<trade>不得用[作于].{0,6}商业)|(?P<licensed>请(?:支持|购买).{0,4}正版)"
    r"|(?P<day>24小时(?:之)?内.{0,4}删除)|(?P<ebook>电子书.{0,12}?(?:下载|制作|版权))"
    r"|(?P<site>(?:本站|本网).{0,20}?(?:电子书|小说|免费|下载))"
    r"|(?P<marker>章节内容(?:开始|结束))|(?P<vote>(?:求|投)(?:收藏|推荐票|月票))"
    r"|(?P<only>仅供.{0,10}?(?:预览|试读|学习交流|交流学习))"
    r"|(?P<trouble>如(?:有|果有)(?:问题|疑问|侵权).{0,4}(?:邮件|联系|email))"
)
# What stands alone on a line of a site's page: 上一章 返回目录 下一章, （本章完）, p.s. for votes.
_BUTTON = (
    r"(?:上一?[章页回节]|下一?[章页回节]|(?:返回|回)(?:目录|顶部|书?[页架目]录?|首页|列表)|章节(?:目录|列表)|目录"
    r"|加入书[签架]|(?:推荐|收藏)本书|投(?:推荐)?票|(?:章节)?报错|返回|书签|快捷键|[a-z]?[←→↑↓])"
)
FURNITURE = re.compile(
    rf"\W*{_BUTTON}(?:\W*{_BUTTON})+\W*|\W*返回顶部\W*|\W*[上下]一[章页]\W*"
    r"|\W*(?:本章完|未完待续|待续未完|本章未完)\W*"
    r"|\W*(?:热门推荐|推荐阅读|相关推荐|新书推荐|同类推荐|相邻推荐)\W*[:：].{0,80}"
    r"|\W*看(?:小说|书)到\w{0,6}网\W*"
    r"|\W*关闭广告\W*|\W*字体[:：].{0,12}背景[:：].{0,12}"
    r"|\W*更多更快章节请到\W*|\W*看清爽的小说.{0,20}"
    r"|\W*p\W?s\W?[:：.，].{0,80}(?:票|收藏|订阅|加更|[二三四五]更|打赏|书友).{0,40}"
    rf"|\W*[a-z0-9-]{{2,}}{_DOT}(?:[a-z0-9-]+{_DOT})?{_TLD}\W*(?:[一-龥]{{1,6}}\W*)?"
)

# The traditional forms of the characters above, so that one pattern serves both.
_TRADITIONAL = "說書電網機載閱讀節記數權業費歡請點擊廣動錄邊頁會員號獻獎觀關絡聯繫頂線優質發為並"
_SIMPLE_FORMS = "说书电网机载阅读节记数权业费欢请点击广动录边页会员号献奖观关络联系顶线优质发为并"
SIMPLIFIED = str.maketrans(_TRADITIONAL, _SIMPLE_FORMS)
_WORDS = """
手机 小说 电子书 本站 本网 本书 更新 字数 收藏 版权 商业 正版 24小时 ２４小时 章节 月票 推荐
仅供 无弹窗 最新 上传 本文 本章 更多 记住 网址 首发 百度 搜狗 谷歌 公众号 二维码 转载 未完 欢迎
动力 清爽 加更 今天三 今日三 第三更 返回 上一章 上一页 上一回 上一节 下一章 下一页 下一回 下一节
回目录 快捷键 无广告 书签 友群 粉丝群 读者群 ｑ群 Ｑ群 地址 域名 举报 支持 书架 访问 登陆 登录
关注 互联网 网络 网友 书友 会员 下载 文字版 全文字 看书 广告 字体 位置 继续 手打 感谢 第一更
第二更 今天二 今日二
"""
_BACK = str.maketrans(_SIMPLE_FORMS, _TRADITIONAL)
# One of these, or a Latin letter, is in every raw line that any pattern above matches.
KEYWORDS = tuple(
    sorted({form for word in _WORDS.split() for form in (word, word.translate(_BACK))})
)
# Signs that sites strew into their names and that prose hardly holds.
STREWN_RARE = "^◇☆★△▲◆※▽▼♀♂⊙≮≯"
_LETTER_RANGES = (("A", "Z"), ("a", "z"), ("Ａ", "Ｚ"), ("ａ", "ｚ"))


def _tables() -> tuple[np.ndarray, np.ndarray]:
    """(65536,) code point → a small number, and which pairs of these numbers open a key word."""
    numbers = np.zeros(0x10000, np.uint8)
    for number, character in enumerate({c for word in KEYWORDS for c in word[:2]}, start=1):
        numbers[ord(character)] = number
    opens = np.zeros((256, 256), bool)
    for word in KEYWORDS:
        opens[numbers[ord(word[0])], numbers[ord(word[1])]] = True
    return numbers, opens


_NUMBERS, _OPENS = _tables()
_LETTERS = np.zeros(0x10000, bool)
_LETTERS[[ord(sign) for sign in STREWN_RARE]] = True
for _start, _end in _LETTER_RANGES:
    _LETTERS[ord(_start) : ord(_end) + 1] = True


def suspicious_lines(text: str) -> list[int]:
    """Numbers of the lines with a Latin letter, a strewn sign or a key word, by table look-up."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    codes = np.minimum(codes, 0xFFFF).astype(np.uint16)
    newlines = np.flatnonzero(codes == ord("\n"))
    numbers = _NUMBERS[codes]
    pairs = np.flatnonzero(_OPENS[numbers[:-1], numbers[1:]])
    words = [place for place in pairs.tolist() if text.startswith(KEYWORDS, place)]
    places = np.concatenate((np.flatnonzero(_LETTERS[codes]), np.array(words, dtype=np.int64)))
    return np.unique(np.searchsorted(newlines, places)).tolist()
