"""The causes that the doctor knows: what each is called, what cures it, what to try next.

Texts are pairs, Chinese and English. Of several cures any one may be right: a study of such tools
found their scores nearly doubled where equivalent fixes counted (PMC12152046).
"""

from dataclasses import dataclass

Text = tuple[str, str]


@dataclass(frozen=True)
class Cause:
    """One cause: its name, the cures that are accepted, and one experiment that tells it apart."""

    title: Text
    cures: tuple[Text, ...]
    experiment: Text


HEALTHY = "healthy"

CAUSES: dict[str, Cause] = {
    HEALTHY: Cause(
        ("没有发现毛病", "nothing wrong was found"),
        (),
        (
            "续写一段留出的章节，再看抄了多少原文",
            "continue a chapter that was held out, and see how much is copied",
        ),
    ),
    "learning_rate_too_high": Cause(
        ("学习率太大：一步跨过了头", "the learning rate is too high: steps overshoot"),
        (
            ("学习率减到三分之一或更小", "a third of the learning rate, or less"),
            ("加长 warm-up，梯度裁剪到 1", "a longer warm-up, gradients clipped to 1"),
        ),
        (
            "其他都不变，--learning-rate 乘以 0.1 跑 100 步：损失更低、更稳，就是它",
            "a tenth of --learning-rate for 100 steps, all else equal: lower and calmer means this",
        ),
    ),
    "learning_rate_too_low": Cause(
        (
            "学习率太小，或早早降到了零：几乎不动",
            "the learning rate is too low, or decayed to nothing: hardly a move",
        ),
        (
            ("学习率乘以 3 到 10", "three to ten times the learning rate"),
            ("检查学习率计划的总步数", "check the number of steps the schedule was told"),
        ),
        (
            "--learning-rate 乘以 8 跑 100 步：降得明显快，就是它",
            "eight times --learning-rate for 100 steps: falling much faster means this",
        ),
    ),
    "warmup_too_long": Cause(
        (
            "warm-up 比训练还长：到结束时学习率还没升上去",
            "the warm-up is longer than the run: it ends before the rate has risen",
        ),
        (
            ("warm-up 改成总步数的 1% 到 10%", "a warm-up of 1 to 10 % of the steps"),
            ("或把训练加长", "or a longer run"),
        ),
        (
            "画出每一步的学习率：到最后一步还在升，就是它",
            "plot the learning rate of every step: still rising at the last one means this",
        ),
    ),
    "batch_too_small": Cause(
        (
            "批太小：每一步只看了几句话，方向全是噪声",
            "the batch is too small: a step sees a few sentences, its direction is noise",
        ),
        (
            ("加大 --batch-size", "a larger --batch-size"),
            ("显存不够就用 --accumulation 累积", "--accumulation where memory is short"),
            ("或把学习率和批一起减小", "or a lower learning rate with it"),
        ),
        (
            "累积 4 倍再更新，学习率不变，跑 100 步：波动减半、损失更低，就是它",
            "four batches a step for 100 steps: half the swing and a lower loss mean this",
        ),
    ),
    "unshuffled": Cause(
        (
            "数据没有打乱：一段时间只读一本书，读新忘旧",
            "the data is not shuffled: one book at a time, and the last is forgotten",
        ),
        (("每一轮都把块打乱", "shuffle the blocks in every epoch"),),
        (
            "打印连续几批的第一句话：都出自同一处，就是它",
            "print the first words of some batches in a row: all of one place means this",
        ),
    ),
    "noisy_data": Cause(
        (
            "数据有噪声或乱码：有一部分文字本来就猜不出",
            "the data is noisy or wrongly decoded: part of it cannot be guessed",
        ),
        (
            ("回到 02 课，查清编码再解码", "go back to lesson 02 and settle the encoding"),
            ("清洗掉乱码、广告和 OCR 错字", "clean out mojibake, advertisements, OCR errors"),
        ),
        (
            "novelkit inspect 原文件，再随机读 20 段训练文本",
            "novelkit inspect the files, and read 20 random paragraphs of the training text",
        ),
    ),
    "overfitting": Cause(
        ("过拟合：语料太小，开始背书", "overfitting: the corpus is small and is learned by heart"),
        (
            ("更多文本", "more text"),
            ("用验证损失最低的那一步", "keep the step with the lowest validation loss"),
            ("加大 dropout 或 weight decay，或用小一点的模型", "more dropout, decay, less model"),
        ),
        (
            "续写一段，用 longest copied passage 看它抄了多长",
            "let it write, and measure the longest passage that it copied",
        ),
    ),
    "label_shift": Cause(
        (
            "标签错位：模型没有在学“下一个字”",
            "labels are shifted wrongly: it does not learn the next token",
        ),
        (
            ("标签正好比输入晚一个词元", "labels exactly one token behind the inputs"),
            (
                "transformers 的模型会自己错一位：labels 直接给 input_ids",
                "models of transformers shift by themselves: give labels=input_ids",
            ),
        ),
        (
            "取一批，把输入和标签并排打印出来",
            "print inputs and labels of one batch side by side",
        ),
    ),
    "loss_on_padding": Cause(
        (
            "填充也算了损失：数字好看，是因为在猜空白",
            "the loss counts padding: it looks good because it guesses blanks",
        ),
        (
            ("填充位置的标签设为 -100", "label padding with -100"),
            ("或者不填充：把文本接起来切块", "or no padding: join the texts and cut blocks"),
        ),
        (
            "数一批标签里填充占多少，再只对真字算一次损失",
            "count padding among the labels, and average the loss over real tokens only",
        ),
    ),
    "parameters_frozen": Cause(
        (
            "有参数没有在学：被冻结，或没有交给优化器",
            "some parameters do not learn: frozen, or not given to the optimizer",
        ),
        (
            ("把所有参数交给优化器", "give all parameters to the optimizer"),
            ("检查 requires_grad", "check requires_grad"),
        ),
        (
            "走一步，列出一点没动的参数",
            "take one step and list the parameters that did not move",
        ),
    ),
    "wrong_optimizer": Cause(
        (
            "优化器不合适：普通 SGD 训练不动 Transformer",
            "the wrong optimizer: plain SGD does not move a Transformer",
        ),
        (("换 AdamW 或 Muon", "AdamW or Muon"),),
        (
            "其他都不变，换成 AdamW 跑 100 步",
            "AdamW for 100 steps, all else equal",
        ),
    ),
    "model_too_small": Cause(
        (
            "模型太小：容量不够，再训练也下不去",
            "the model is too small: its capacity is used up",
        ),
        (("加宽（n_embd）、加层（n_layer）", "more n_embd, more n_layer"),),
        (
            "只用一批反复训练：连这一批都背不下来，就是它",
            "train on a single batch again and again: if not even that is learned, it is this",
        ),
    ),
    "vocabulary_mismatch": Cause(
        (
            "续写时的词表与训练时不同：编号对不上，写出来是乱码",
            "the vocabulary of writing is not that of training: it writes gibberish",
        ),
        (("用和权重一起保存的 tokenizer", "the tokenizer that was saved with the weights"),),
        (
            "用续写的模型和 tokenizer 给训练文本重新打分，应当和训练损失一样",
            "score the training text with the model and tokenizer that write: it should agree",
        ),
    ),
    "restarted": Cause(
        (
            "恢复训练时丢了权重：其实是从头开始",
            "the resume lost the weights: it began again",
        ),
        (
            ("恢复时读取检查点里的权重", "load the weights of the checkpoint"),
            ("检查 --out 是不是原来的文件夹，加 --resume", "the same --out, with --resume"),
        ),
        (
            "恢复之后先算一次验证损失，应当等于中断之前",
            "measure the validation loss right after the resume: it should be what it was",
        ),
    ),
    "optimizer_state_lost": Cause(
        (
            "恢复时丢了优化器的状态：头几十步走得太猛",
            "the resume lost the optimizer's state: its first steps are too wild",
        ),
        (
            ("检查点里也保存优化器（和 GradScaler）", "save the optimizer (and GradScaler) too"),
            ("不得已时，恢复之后再 warm-up 几十步", "or warm up again after the resume"),
        ),
        (
            "存一次、读一次，两边各走一步，权重应当一模一样",
            "save, load, take one step on both sides: the weights should be identical",
        ),
    ),
    "batches_repeated": Cause(
        (
            "每次恢复都从第一批读起：后面的数据从没见过",
            "every resume reads from the first batch again: the rest is never seen",
        ),
        (("恢复时接着读：批是 (种子, 轮, 步) 的函数", "batches as f(seed, epoch, step)"),),
        (
            "恢复前后各打印一批的开头",
            "print the beginning of a batch before and after the resume",
        ),
    ),
    "validation_leaked": Cause(
        (
            "验证文本混进了训练：验证损失量的是背诵",
            "validation stands in the training text: its loss measures recitation",
        ),
        (("按章节划分，去掉重复的版本", "split by chapters, drop duplicate editions"),),
        (
            "在训练文本里搜验证集的句子；换一本肯定没见过的书量一次",
            "search sentences of the validation in the training text; measure another book",
        ),
    ),
    "number_overflow": Cause(
        (
            "数值溢出：损失或梯度变成 NaN、无穷大",
            "numbers overflow: losses or gradients become NaN or infinite",
        ),
        (
            ("fp16 换成 bf16 或 fp32", "bf16 or fp32 instead of fp16"),
            ("softmax、LayerNorm、损失留在 fp32", "keep softmax, LayerNorm and loss in fp32"),
            ("学习率减半，梯度裁剪", "half the learning rate, clipped gradients"),
        ),
        (
            "把第一次出 NaN 的那一批在 fp32 里重算一遍",
            "compute the first batch that gave NaN again in float32",
        ),
    ),
    "one_micro_batch_logged": Cause(
        (
            "记录的只是一小批的损失：训练是好的，曲线是假的震荡",
            "only a micro-batch is logged: the training is fine, the swing is not real",
        ),
        (("记录整批的平均损失", "log the mean over the whole batch"),),
        (
            "对同一批重算整批的平均损失，和记录的比",
            "compute the mean loss of the whole batch again and compare",
        ),
    ),
}

# Not a fault: what a healthy run may be besides.
NOTES: dict[str, Text] = {
    "unfinished": (
        "损失还在降：没有毛病，只是还没训练完",
        "the loss is still falling: nothing wrong, only not finished",
    ),
    "at_the_floor": (
        "已经低于这份语料的计数参考线：不是卡住，是到底了",
        "below what counting reaches on this corpus: not stuck, but at its floor",
    ),
    "sawtooth": (
        "每换一轮，训练损失掉一级：多轮训练都这样，不是震荡",
        "the training loss steps down with every epoch: usual for several epochs, no oscillation",
    ),
    "start": (
        "训练之前的损失是随机猜（ln V）的 {:.2f} 倍：初始化太大，或读进了别的权重",
        "before training the loss is {:.2f} times that of a guess (ln V): weights drawn too large",
    ),
    "spikes": (
        "有 {} 个尖峰，都在 {} 步之内回到了原来的线上：不用治",
        "{} spikes, each back on the line within {} steps: nothing to cure",
    ),
    "last_spike": (
        "最后一个尖峰还没有回到原来的线上：再看几百步",
        "the last spike is not back on the line yet: wait some hundred steps",
    ),
    "after_evaluations": (
        "每次验证之后的几步，训练损失总要{}：查一查验证以后有没有切回 model.train()",
        "after each evaluation the training loss is {} for some steps: is model.train() called?",
    ),
    "cooling": (
        "最后的下降来自学习率的降低（cooldown）",
        "the last fall comes from the cooldown of the learning rate",
    ),
}
