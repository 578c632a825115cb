"""Small models in exactly the formats that people have, and a server that imitates the Hub's API.

`save_uer` writes what `uer/gpt2-chinese-cluecorpussmall` consists of: a GPT-2 with the tokenizer of
BERT, its weights in an old `pytorch_model.bin`. The others are a GPT-2 with byte-level BPE and a
Llama or Qwen2 with a `tokenizer.json`.
"""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import torch

from novelkit.model import GPT2, ModelConfig, state_for_transformers

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# What the vocabulary of Chinese BERT lacks, among much else.
MISSING = frozenset("…—“”‘’")


def bert_vocabulary(text: str, minimum_count: int = 1) -> list[str]:
    """A vocabulary like that of Chinese BERT: no line ends, capitals, quotes and dashes."""
    counts = Counter(text.lower())
    kept = [
        character
        for character, count in sorted(counts.items())
        if count >= minimum_count and not character.isspace() and character not in MISSING
    ]
    letters = [
        letter for letter in "abcdefghijklmnopqrstuvwxyz0123456789.-,\"'" if letter not in kept
    ]
    unused = [f"[unused{number}]" for number in range(1, 4)]
    return [SPECIAL[0], *unused, *SPECIAL[1:], *kept, *letters, "##s", *[f"##{c}" for c in kept]]


def bert_ids(vocabulary: list[str], lines: Iterable[str]) -> list[int]:
    """`[CLS] line [SEP]` for each line, as the UER models were trained; unknown is [UNK]."""
    number = {token: index for index, token in enumerate(vocabulary)}
    ids = []
    for line in lines:
        pieces = [number.get(item, number["[UNK]"]) for item in line.lower() if not item.isspace()]
        ids += [number["[CLS]"], *pieces, number["[SEP]"]]
    return ids


def random_gpt2(rows: int, n_ctx: int = 32, seed: int = 0) -> GPT2:
    """A GPT-2 whose rows are far apart: weights much larger than at the start of training."""
    torch.manual_seed(seed)
    model = GPT2(ModelConfig(rows, n_ctx, n_layer=2, n_head=2, n_embd=32, dropout=0.1)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def save_uer(
    folder: Path, model: GPT2, vocabulary: list[str], old_format: bool = True, **changes: object
) -> Path:
    """The files of a Chinese GPT-2 of the UER project, of this size."""
    folder.mkdir(parents=True, exist_ok=True)
    state = dict(state_for_transformers(model))
    size = model.config
    for layer in range(size.n_layer):
        # Old versions of the library stored the causal mask with the weights.
        mask = torch.ones(size.n_ctx, size.n_ctx, dtype=torch.uint8).tril()
        state[f"transformer.h.{layer}.attn.bias"] = mask[None, None]
        state[f"transformer.h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)
    state["lm_head.weight"] = state["transformer.wte.weight"].clone()
    torch.save(state, folder / "pytorch_model.bin", _use_new_zipfile_serialization=not old_format)
    config = {
        "activation_function": "gelu_new",
        "architectures": ["GPT2LMHeadModel"],
        "attn_pdrop": 0.1,
        "embd_pdrop": 0.1,
        "gradient_checkpointing": False,
        "initializer_range": 0.02,
        "layer_norm_epsilon": 1e-05,
        "model_type": "gpt2",
        "n_ctx": size.n_ctx,
        "n_embd": size.n_embd,
        "n_head": size.n_head,
        "n_inner": None,
        "n_layer": size.n_layer,
        "n_positions": size.n_ctx,
        "output_past": True,
        "resid_pdrop": 0.1,
        "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 320}},
        "tokenizer_class": "BertTokenizer",
        "vocab_size": size.vocab_size,
        **changes,
    }
    write_json(folder / "config.json", config)
    write_json(folder / "tokenizer_config.json", {"do_lower_case": True, "model_max_length": 1024})
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("unk", "sep", "pad", "cls", "mask")}
    write_json(folder / "special_tokens_map.json", names)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8", newline="\n")
    return folder


def train_byte_bpe(text: str, size: int) -> "object":
    """A byte-level BPE tokenizer like GPT-2's, with one special token."""
    import tokenizers

    tokenizer = tokenizers.ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(
        [text], vocab_size=size, special_tokens=["<|endoftext|>"], show_progress=False
    )
    return tokenizer


def save_gpt2_bpe(folder: Path, text: str) -> Path:
    """A GPT-2 folder with `vocab.json` and `merges.txt`, written by `transformers`."""
    from transformers import GPT2Config, GPT2LMHeadModel

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = train_byte_bpe(text, 400)
    tokenizer.save_model(str(folder))
    torch.manual_seed(1)
    rows = tokenizer.get_vocab_size()
    sizes = {"vocab_size": rows, "n_positions": 32, "n_embd": 32, "n_layer": 2, "n_head": 2}
    GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=0, eos_token_id=0)).save_pretrained(folder)
    return folder


def save_llama(
    folder: Path, text: str, tied: bool = True, kind: str = "llama", padding: int = 0
) -> Path:
    """A small Llama or Qwen2 with a byte-level `tokenizer.json`, written by `transformers`.

    `padding` rows more than the tokenizer has ids, as Qwen2 has them.
    """
    import transformers

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = train_byte_bpe(text, 400)
    (folder / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    write_json(folder / "tokenizer_config.json", {"eos_token": "<|endoftext|>"})
    names = {"llama": "Llama", "qwen2": "Qwen2"}
    config = getattr(transformers, f"{names[kind]}Config")(
        vocab_size=tokenizer.get_vocab_size() + padding,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        tie_word_embeddings=tied,
        bos_token_id=0,
        eos_token_id=0,
        # As many models have it: the embedding then takes no gradient for this id.
        pad_token_id=5,
    )
    torch.manual_seed(2)
    getattr(transformers, f"{names[kind]}ForCausalLM")(config).save_pretrained(folder)
    return folder


def save_sentencepiece(folder: Path, pieces: Iterable[str]) -> Path:
    """The tokenizer of Llama 2 with this vocabulary: `▁` for a space, bytes for the unknown."""
    import tokenizers
    from tokenizers import decoders, models, normalizers

    names = ["<unk>", "<s>", "</s>", *(f"<0x{value:02X}>" for value in range(256)), *pieces]
    model = models.BPE(
        {name: index for index, name in enumerate(names)},
        [("▁", name[1:]) for name in names if name.startswith("▁") and len(name) == 2],
        unk_token="<unk>",
        fuse_unk=True,
        byte_fallback=True,
    )
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.add_special_tokens(["<s>", "</s>"])
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    write_json(folder / "tokenizer_config.json", {"bos_token": "<s>", "eos_token": "</s>"})
    return folder


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")


class HubHandler(BaseHTTPRequestHandler):
    """What `huggingface_hub` asks for: a revision, the tree of a commit, and its files.

    Small files are answered directly, weights by a redirection to another address, with the
    headers that the Hub gives.
    """

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(with_body=False)

    def do_GET(self):
        self.answer(with_body=True)

    def answer(self, with_body: bool) -> None:
        path = self.path.split("?")[0].strip("/")
        self.server.requests.append(f"{self.command} /{path}")
        status, body, headers = self.choose(path)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def choose(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        if self.server.broken:
            return 503, b"busy", {}
        if path.startswith("cdn/"):
            return 200, self.server.blobs[path.removeprefix("cdn/")], {}
        for name, folder in self.server.models.items():
            if path.startswith((f"api/models/{name}/", f"{name}/resolve/")):
                if name in self.server.gated:
                    return 403, b"", {"X-Error-Code": "GatedRepo"}
                rest = path.split(f"{name}/", 1)[1].split("/")
                return self.of_model(name, folder, rest)
        return 404, b"{}", {"X-Error-Code": "RepoNotFound"}

    def of_model(
        self, name: str, folder: Path, rest: list[str]
    ) -> tuple[int, bytes, dict[str, str]]:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        names = [path.relative_to(folder).as_posix() for path in files]
        sha = hashlib.sha1(name.encode()).hexdigest()
        if rest[1] not in ("main", sha):
            return 404, b"{}", {"X-Error-Code": "RevisionNotFound"}
        if rest[0] == "revision":
            siblings = [{"rfilename": item} for item in names]
            value = {"id": name, "modelId": name, "sha": sha, "siblings": siblings, "tags": []}
            return 200, json.dumps(value).encode(), {"Content-Type": "application/json"}
        if rest[0] == "tree":
            entries = [
                {"type": "file", "path": item, "size": path.stat().st_size, "oid": digest(path)}
                for item, path in zip(names, files, strict=True)
            ]
            return 200, json.dumps(entries).encode(), {"Content-Type": "application/json"}
        return self.of_file(sha, folder / "/".join(rest[2:]))

    def of_file(self, sha: str, path: Path) -> tuple[int, bytes, dict[str, str]]:
        if not path.is_file():
            return 404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": sha}
        body, etag = path.read_bytes(), digest(path)
        headers = {"X-Repo-Commit": sha, "ETag": f'"{etag}"'}
        if path.suffix in (".json", ".txt"):
            return 200, body, headers
        self.server.blobs[etag] = body
        address = f"http://localhost:{self.server.server_port}/cdn/{etag}"  # another host
        linked = {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(body))}
        return 302, b"", {**headers, **linked, "Location": address}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Hub(ThreadingHTTPServer):
    """Serves `models`: a name and the folder that stands behind it."""

    daemon_threads = True

    def __init__(self, models: dict[str, Path]) -> None:
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.models, self.requests, self.blobs = models, [], {}
        self.gated: set[str] = set()
        self.broken = False
        self.url = f"http://127.0.0.1:{self.server_port}"

    def fetched(self) -> set[str]:
        """The files that were asked for."""
        return {line.rpartition("/")[2] for line in self.requests if "/resolve/" in line}


@contextmanager
def serving_models(models: dict[str, Path]) -> Iterator[Hub]:
    """A running `Hub`."""
    with Hub(models) as hub:
        thread = threading.Thread(target=hub.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()
