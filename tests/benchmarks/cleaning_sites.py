"""Advertisements for the measurement of one rule: invented ones, and what real files hold.

`INVENTED` are lines in the manner of many sites, with names that no site has: groups "first",
"second" and "third" in the order in which they were written. Each group was written before the rule
had been tried on it, and its first score (see `FIRST_SCORES`) is what the rule reaches on a site
that it does not know; after that its misses were used to make the rule better, so that today's
score says only that nothing was unlearned. `MARKERS` say by which words one finds what is left of
a real file's site; they come from the column what_is_dirty of the manifest and from reading the
files, not from the rule.
"""

INVENTED = {
    "first": (
        "天才一秒记住本站地址：[顶点书阁]https://www.dingdianshuge.test/最快更新！无广告！",
        "手机用户请浏览m.xiaoshuo88.test阅读，更优质的阅读体验。",
        "本章未完，请点击下一页继续阅读！",
        "喜欢雪夜请大家收藏：(www.shuge99.test)雪夜书阁更新速度全网最快。",
        "一秒记住【飞读小说网】，精彩小说无弹窗免费阅读！",
        "请记住本书首发域名：shuge99。test。手机版阅读网址：m。shuge99。test",
        "最新网址：www.kanshu77.test",
        "ps：求推荐票，求收藏，各位书友的支持就是老王最大的动力！",
        "（未完待续。如果您喜欢这部作品，欢迎您来起点（qidian.com）投推荐票、月票，您的支持，就是我最大的动力。）",
        "ｗｗ。ｘｉａｏｓｈｕｏ。ｃｏｍ 小◇说◇网 首☆发",
        "www●kanshu●c○m",
        "【本书由飞☆读小△说网提供，看最新章节请百度搜索“飞读”】",
        "百度搜索“飞读小说网”看最新章节",
        "↑返回顶部↑",
        "上一章　　返回目录　　下一章",
        "加入书签　　推荐本书　　投票",
        "（本章完）",
        "未完待续……",
        "看清爽的小说就到飞读文学",
        "更多更快章节请到。",
        "最新最快章节，请登陆飞读小说网，阅读是一种享受，建议您收藏。",
        "飞读中文网首发，更新最快，转载请注明出处。",
        "书友群号：123456789，欢迎加入",
        "扫描二维码，关注微信公众号“飞读”，回复书名继续阅读",
        "广告时间，求订阅求月票，今天三更！",
        "笔趣阁 www.biquge.test 最快更新雪夜最新章节！",
        "（ｗｗｗ．ｆｅｉｄｕ．ｎｅｔ　飞读小说）",
        "    首发：飞读吧——http：／／www·feidu8·c o m",
        "您可以在百度里搜索“雪夜 飞读小说(www.feidu.test)”查找最新章节！",
        "手机站全新改版升级地址：http://wap.feidu.test，数据和书签与电脑站同步，无广告清新阅读！",
    ),
    "second": (
        "记住网址不迷路 www.shulou.example",
        "小说网 看书神器，更新最快的免费阅读平台，点击下载APP",
        "章节错误，点此举报（免注册），举报后维护人员会在两分钟内校正章节内容，请耐心等待。",
        "本书首发来自十七看书网，第一时间看正版内容！",
        "喜欢本书的朋友请投推荐票支持作者",
        "为了方便下次阅读，你可以点击下方的“收藏”记录本次阅读记录，下次打开书架即可看到！",
        "ｗ·ｗ·ｗ．ｓｈｕｌｏｕ．ｎｅｔ",
        "shu1ou點com",
        "w w w 点 s h u l o u 点 c o m",
        "≮更多更好电子书请访问书楼网≯",
        "本作品来自互联网，本人不做任何负责，内容版权归作者所有",
        "（快捷键←）上一页 回书目录 下一页（快捷键→）",
        "【推荐阅读】：《长夜》《归途》《雪国旧事》",
        "热门推荐：、 、 、 、 、 、 、",
        "（看小说到网 ）",
        "文字版首发 书 楼 中 文 网",
        "(未完待续，如欲知后事如何，请登陆书楼网，章节更多，支持作者，支持正版阅读！)",
        "PS：今天第二更送到，弱弱地求几张月票。",
        "------>>本章完<<------",
        "全文字更新，txt下载，尽在书楼小说网",
        "由书友【山中人】上传，书楼网提供下载",
    ),
    "third": (
        "更多精彩内容，敬请关注墨香书屋官网 moxiang点cc",
        "墨香书屋欢迎广大书友光临阅读，最新、最快、最火的连载作品尽在墨香书屋！",
        "(本书由墨香书屋整理排版，版权归原著者所有)",
        "关闭广告",
        "您当前的位置：首页 > 武侠仙侠 > 雪夜 > 第十二章",
        "点此继续阅读下一章",
        "字体：大 中 小　　背景：白 黄 绿",
        "【ｗ５１ｂｏｏｋ．ｃｎ 我要书】",
        "手打文字，请到墨香中文网看正版",
        "小提示：按回车[Enter]键返回书目，按←键返回上一页，按→键进入下一页。",
        "如果喜欢《雪夜》，请把网址发给您的朋友。",
        "本站所有小说为转载作品，所有章节均由网友上传，转载至本站只是为了宣传本书让更多读者欣赏。",
        "今日第三更奉上，晚上还有一更，求花花求鲜花！",
        "感谢书友“山中客”打赏的100起点币，感谢“北风”投出的月票！",
        "（第一更，求收藏）",
        "^_^本站网址:ｗｗｗ．ｍｘ８．ｎｅｔ^_^",
    ),
}
# Lines dropped of each group when the rule first met it: as it was before this list, and as it was
# improved with the groups before. Kept by hand, since a rule cannot be untaught.
FIRST_SCORES = {"first": (12, 12), "second": (3, 9), "third": (2, 4)}

# What a narrator or a character may write with the words of a site.
NARRATED = (
    "他在网上搜了一夜，百度搜索也没有告诉他那个地址在哪里。",
    "孩子是她最大的动力，她这样告诉自己，然后继续往前走。",
    "“请大家收藏好自己的车票。”列车员一面走一面喊。",
    "店门口贴着二维码，扫码点菜，没有人抬头。",
    "他关注了一个公众号，每天早上读一段旧诗。",
    "老板请大家支持本店，推荐给朋友。",
    "那天夜里敲过三更，街上一个人也没有。",
    "上一章写到他离开渡口，这一章他又回来了。",
    "她翻到下一页，纸上什么也没有。",
    "编辑回信说，文章首发在本地的小报上。",
    "他把网址抄在手心里，洗手的时候忘了。",
    "书友会设在旧书店的楼上，一个月聚一次。",
    "更多的时候，她只是坐在窗前看书。",
    "手机没有电了，他只好继续走路。",
    "感谢命运，他想，感谢这场大雪。",
    "这本小说没有写完，最后一页上只有三个字：未完待续。",
    "登录、注册、找回密码，他试了一下午。",
    "学校的网站更新了名单，没有他的名字。",
    "“广告都是骗人的。”父亲把报纸翻了过去。",
    "第一更鼓响的时候，城门已经关了。",
)
# Patterns for `re.search` on a line after NFKC, lower case, without spaces.
MARKERS = {
    "s15": r"更新时间|本章字数|章节内容|正版图书|仅供读者|24小时",
    "s16": r"本章字数|章节内容|书籍介绍",
    "s18": r"rain8|雨枫轩|txt电子书|版权|正版图书|网友提供|不得用作|email",
    "s19": r"小.?说.{0,3}无.?广|www|http|无广告",
    "s20": r"xstt5|txt小说|《》目录",
    "s21": r"qisuu|奇书网|手机电子书",
    "s30": r"www|xia.?o|txt|xt.{0,6}小|小.{0,4}说.{0,4}天|\.net|\.com",
}
