"""What each sign says in a sentence, in Chinese and in English, with its number."""

from novelkit.diagnosis.causes import Text

# `{:...}` takes the sign's value.
SIGN_TEXTS: dict[str, Text] = {
    "rate_rises": (
        "记录的学习率一直升到全程的 {:.0%}",
        "the learning rate that was logged rises through {:.0%} of the run",
    ),
    "rate_gone": (
        "有 {:.0%} 的步，学习率已不到最高时的 2%",
        "in {:.0%} of the steps less than 2 % of the learning rate was left",
    ),
    "missing": ("{:.0%} 的步没有损失（NaN、无穷大或 0）", "{:.0%} of the steps have no loss (NaN)"),
    "skipped": ("{:.0%} 的步因为梯度溢出被跳过", "{:.0%} of the steps were skipped for overflow"),
    "scale_fall": (
        "GradScaler 的倍数对半减了 {:.0f} 次",
        "the gradient scaler halved its scale {:.0f} times",
    ),
    "learned": (
        "损失走完了从单字频率到看前一字这段路的 {:.0%}",
        "the loss went {:.0%} of the way from single characters to the character before",
    ),
    "remaining": (
        "损失只剩最初的 {:.1%}，验证损失也跟着低下去",
        "{:.1%} of the first loss is left, and validation is as low",
    ),
    "norm": (
        "梯度长到 {:,.0f}：裁剪之前没有除以 GradScaler 的倍数",
        "gradients of length {:,.0f}: clipped before the scale was taken out",
    ),
    "below_best": (
        "训练损失比最低的参考线还低 {:.2f} nats／字",
        "the training loss is {:.2f} nats below the lowest anchor",
    ),
    "early_below": (
        "才第 {:.0f} 步就低于最低的参考线了：这么快学会的不是语言",
        "at step {:.0f} it is below the lowest anchor: what is learned so soon is no language",
    ),
    "swing": ("步与步之间的波动是 {:.2f} nats／字", "steps swing by {:.2f} nats per character"),
    "rise": ("损失从最低处又升回了总降幅的 {:.0%}", "it rose again by {:.0%} of its fall"),
    "fall": (
        "训练损失从头到尾只降了 {:.2f} nats／字",
        "the training loss fell by {:.2f} nats per character in all",
    ),
    "memory": (
        "相邻两步的损失相关系数 {:.2f}（打乱的数据约为 0）",
        "the loss of a step correlates {:.2f} with the one before (0 if shuffled)",
    ),
    "waves_of_swing": (
        "平滑之后仍上下起伏，幅度是噪声的 {:.0%}",
        "even smoothed it goes up and down, by {:.0%} of the noise",
    ),
    "start_slope": (
        "头十分之一降了总降幅的 {:.0%}",
        "{:.0%} of the fall came in the first tenth",
    ),
    "most_of_it": (
        "到全程的 {:.0%} 已经降完九成，以后几乎不动",
        "nine tenths of the fall were done after {:.0%} of the run",
    ),
    "half_way": ("到全程的 {:.0%} 降了一半", "half of the fall took {:.0%} of the run"),
    "quarter_way": (
        "到全程的 {:.0%} 才降了四分之一",
        "the first quarter of the fall took {:.0%} of the run",
    ),
    "learned_half_way": (
        "到全程一半，已走完单字频率到看前一字这段路的 {:.0%}",
        "half way it had gone {:.0%} of the way from single characters to the character before",
    ),
    "early_doubling": (
        "从全程的八分之一到四分之一，步数加倍，只多走了这段路的 {:.0%}",
        "from an eighth to a quarter of the run twice the steps taught {:.0%} of that way",
    ),
    "middle_doubling": (
        "从全程的四分之一到一半，步数加倍，多走了这段路的 {:.0%}",
        "from a quarter to half of the run twice the steps taught {:.0%} of that way",
    ),
    "early_noise": (
        "开头的波动是后来的 {:.0%}",
        "at the beginning steps swing by {:.0%} of what they do later",
    ),
    "end_slope": (
        "最后四分之一还降了总降幅的 {:.0%}",
        "{:.0%} of the fall came in the last quarter",
    ),
    "epochs": ("同一份数据读了 {:.0f} 轮", "the data was read {:.0f} times"),
    "context": (
        "单字频率与看前一字两条参考线相差 {:.2f} nats（小说一般约 1）",
        "the anchors of one and two characters are {:.2f} nats apart (about 1 for novels)",
    ),
    "redundancy": (
        "留出文本用 xz 压缩比看前一字低 {:.2f} nats：里面有整段的重复",
        "xz needs {:.2f} nats less for the held-out text than bigrams: passages are repeated",
    ),
    "jump_of_swing": (
        "恢复训练时损失跳高了，是平常波动的 {:.1f} 倍",
        "at a resume the loss jumps by {:.1f} times its usual noise",
    ),
    "break_of_swing": (
        "有一处损失突然跳高，是平常波动的 {:.1f} 倍",
        "at one place the loss jumps by {:.1f} times its usual noise",
    ),
    "lasting_of_swing": (
        "恢复后的 20 步平均偏高，是其误差的 {:.1f} 倍",
        "the 20 steps after a resume are higher by {:.1f} times their error",
    ),
    "back": (
        "跳高之后用了全程的 {:.0%} 才回到原处",
        "it took {:.0%} of the run to come back",
    ),
    "relapse": (
        "每次恢复之后损失都先升后落，是误差的 {:.1f} 倍：像是优化器从头开始",
        "after resumes the loss rises and comes back, by {:.1f} times its error: a new optimizer",
    ),
    "resumed_update": (
        "恢复后的第一步是平常的 {:.1f} 倍长：优化器的平均值丢了",
        "the first step after a resume is {:.1f} times as long as usual: averages were lost",
    ),
    "echo": (
        "几次恢复之后的损失起伏一模一样（{:.1f} 倍于偶然）：读的是同样的批",
        "the ups and downs after each resume are the same ({:.1f} times chance): the same batches",
    ),
    "gap": (
        "验证损失比训练损失高 {:.2f} nats／字",
        "validation is {:.2f} nats per character above training",
    ),
    "early_gap": (
        "刚开始时验证就比训练高 {:.2f} nats／字",
        "validation was {:.2f} nats above training from the beginning",
    ),
    "gap_opening": (
        "验证与训练的差距变了 {:+.2f} nats／字",
        "the gap between validation and training changed by {:+.2f} nats",
    ),
    "validation_rise": (
        "验证损失从最低处又升了 {:.2f} nats／字",
        "the validation loss rose by {:.2f} nats from its best",
    ),
    "validation_below_best": (
        "验证损失比最低的参考线低 {:.2f} nats／字",
        "the validation loss is {:.2f} nats below the lowest anchor",
    ),
    "validation_waves": (
        "验证损失自己也上下跳 {:.2f} nats／字",
        "the validation loss itself jumps by {:.2f} nats",
    ),
    "calm": (
        "验证损失的起伏只有训练波动的 {:.0%}",
        "validation moves by {:.0%} of the swing of the training loss",
    ),
    "norm_spread": (
        "梯度长度的对数波动 {:.2f}（平稳时约 0.1）",
        "the log of the gradient norm spreads by {:.2f} (about 0.1 in calm runs)",
    ),
    "norm_growth": ("梯度长到了 {:.1f} 倍", "gradients grew to {:.1f} times"),
    "update": ("每一步改动权重的 {:.2%}", "a step changes the weights by {:.2%}"),
    "update_per_rate": (
        "每单位学习率只改动权重的 {:.2f} 倍（AdamW、Muon 一般在 1.5 以上）",
        "a step moves {:.2f} times the weights by learning rate (1.5 and more for AdamW, Muon)",
    ),
    "update_growth": (
        "同样的学习率，步子后来是先前的 {:.2f} 倍",
        "at equal learning rate steps became {:.2f} times as long",
    ),
    "update_trend": (
        "同样的学习率，步子一路变化（对数斜率 {:+.1f}）",
        "at equal learning rate steps change all the way (slope of the log {:+.1f})",
    ),
    "noise_of_spread": (
        "波动是一步之内各段差别的 {:.2f} 倍（批越大越小）",
        "the swing is {:.2f} times the spread within a step (less for larger batches)",
    ),
    "noise_of_token": (
        "折合到每个词元，波动是 {:.1f} nats（单字一般 2 到 3.5）",
        "that is {:.1f} nats a token (2 to 3.5 is usual for characters)",
    ),
    "probe_start": (
        "训练之前的损失是随机猜的 {:.2f} 倍",
        "before training the loss is {:.2f} times that of a guess",
    ),
    "probe_offset": (
        "标签比输入晚 {:.0f} 个词元（应当是 1）",
        "labels stand {:.0f} tokens behind their inputs (1 is right)",
    ),
    "probe_labels_read": (
        "改动一个标签，有 {:.0f} 处损失变了（应当是 1）",
        "changing one label changes {:.0f} losses (1 is right)",
    ),
    "probe_still": (
        "{:.0%} 的参数有梯度，走一步却没有动",
        "{:.0%} of the parameters have gradients and did not move",
    ),
    "probe_power_fit": (
        "步子与梯度成正比（相关 {:.2f}）：这是普通的梯度下降",
        "steps are proportional to gradients (r = {:.2f}): plain gradient descent",
    ),
    "probe_rate_growth": (
        "实际的学习率与计划之比一路变化（对数 {:+.1f}）",
        "the real learning rate drifts away from the planned one (log {:+.1f})",
    ),
    "probe_one_batch": (
        "单独一批反复训练 60 步，损失剩 {:.0%}",
        "after 60 steps on a single batch {:.0%} of its loss is left",
    ),
    "probe_one_batch_reference": (
        "换用标准的训练，这一批的损失也还剩 {:.0%}",
        "even the library's training leaves {:.0%} of that batch's loss",
    ),
    "probe_slower": (
        "学习率减到八分之一，60 步之后验证损失差 {:+.2f}（正常时明显变高）",
        "an eighth of the learning rate changes the loss after 60 steps by {:+.2f} (usually up)",
    ),
    "probe_faster": (
        "学习率乘以 8，60 步之后验证损失差 {:+.2f}",
        "eight times the learning rate changes the loss after 60 steps by {:+.2f}",
    ),
    "probe_then_calm": (
        "学习率减到十分之一再走 15 步，验证损失变化 {:+.2f}",
        "15 more steps at a tenth of the learning rate change validation by {:+.2f}",
    ),
    "probe_noise": (
        "一批梯度里的噪声是信号的 {:.0f} 倍",
        "the noise in a batch's gradient is {:.0f} times its signal",
    ),
    "probe_tokens": ("每一步只有 {:.0f} 个词元", "a step has {:.0f} tokens only"),
    "probe_logged_away": (
        "记录的损失与整批的损失相差 {:.2f}",
        "what is logged differs by {:.2f} from the loss of the whole batch",
    ),
    "probe_overflow": (
        "{:.0%} 的批算出来不是数",
        "{:.0%} of the batches give no number",
    ),
    "probe_filling": (
        "计入损失的标签有 {:.0%} 是填充",
        "{:.0%} of the scored labels are padding",
    ),
    "probe_passes": ("整个训练把文本读了 {:.0f} 遍", "the run reads its text {:.0f} times"),
    "probe_recited": (
        "给半段训练文本，接下去的字有 {:.0%} 和原文一样",
        "given half a passage of its text, {:.0%} of what it goes on with is the text",
    ),
    "probe_longest_copied": (
        "最长一字不差地背了 {:.0f} 个字",
        "the longest passage that it recited has {:.0f} characters",
    ),
    "probe_batch_spread": (
        "一批里各段相距只有打乱时的 {:.0%}",
        "the rows of a batch stand {:.0%} as far apart as shuffled ones",
    ),
    "probe_batch_order": (
        "一批接一批按顺序往后读（相关 {:.2f}）",
        "batch by batch the text is read in order (r = {:.2f})",
    ),
    "probe_resume_weights": (
        "保存再读回，权重变了（最多 {:.2g}）",
        "saved and loaded again, weights differ by up to {:.2g}",
    ),
    "probe_resume_state": (
        "保存再读回，下一步差了 {:.0%}：优化器忘了以前",
        "saved and loaded again, the next step differs by {:.0%}: the optimizer forgot",
    ),
    "probe_resume_batches": (
        "恢复之后读的不是该读的那一批",
        "after a resume it does not read the batch that is due",
    ),
    "probe_sampler": (
        "续写用的模型和词表给训练文本打分，高了 {:.2f} nats／字",
        "the sampler's model and vocabulary score the training text {:.2f} nats higher",
    ),
    "probe_leaked": (
        "验证文本有 {:.0%} 一字不差地在训练文本里",
        "{:.0%} of the validation text stands word for word in the training text",
    ),
    "probe_strange": (
        "训练文本里 {:.1%} 是不该出现的字符",
        "{:.1%} of the training text are characters that do not belong there",
    ),
    "probe_substituted": (
        "文本反复这样写的地方，有 {:.1%} 换成了别的字，而且那个字和左右都搭不上",
        "{:.1%} of what the text says often has another character there, that fits nothing",
    ),
}


# Where a number means something else beyond a limit: the sign, the limit, whether it lies above it.
OTHERWISE: list[tuple[str, float, bool, Text]] = [
    (
        "learned",
        0.0,
        False,
        (
            "损失还高于单字频率那条线：上文一点也没用上（差这段路的 {:.0%}）",
            "the loss is above the line of single characters: no context is used ({:.0%} short)",
        ),
    ),
    (
        "learned_half_way",
        0.0,
        False,
        (
            "到全程一半，损失还高于单字频率那条线（差这段路的 {:.0%}）",
            "half way the loss is still above the line of single characters ({:.0%} short)",
        ),
    ),
    (
        "gap",
        0.0,
        False,
        (
            "验证损失反而比训练损失低 {:.2f} nats／字",
            "validation is below training, by {:.2f} nats per character",
        ),
    ),
    (
        "norm",
        100.0,
        False,
        ("梯度的长度是 {:.2f}", "gradients have length {:.2f}"),
    ),
    (
        "noise_of_spread",
        5.0,
        True,
        ("每一步只有一段文字", "a step has a single sequence"),
    ),
]


def say(sign: str, value: float) -> Text:
    """A sign with its number as a sentence, in both languages."""
    chinese, english = SIGN_TEXTS[sign]
    for name, limit, above, texts in OTHERWISE:
        if name == sign and (value > limit if above else value < limit):
            chinese, english = texts
            value = abs(value)
    return chinese.format(value), english.format(value)
