"""A real kernel that holds a writing desk, driven by the messages that a page would send."""

import sys
import time
from contextlib import contextmanager
from queue import Empty

from jupyter_client.manager import KernelManager

# A model that writes something at once, and goes on until it is stopped.
SETUP = """
import sys
sys.path.insert(0, {tests!r})
from helpers_text import tiny_model
from novelkit.sampling import make_decoder
from novelkit.tokenizing import CharTokenizer
from novelkit.writing import WritingSession
from novelkit.writing.writing_desk import WritingDesk
tokenizer = CharTokenizer.train("天地玄黄宇宙洪荒日月盈昃辰宿列张，。“”\\n")
decoder = make_decoder(tiny_model(tokenizer, 64))
read = decoder.read
import time
def endless(tokens, cache):
    time.sleep(0.02)
    logits = read(tokens, cache).clone()
    logits[:, [tokenizer.end_of_text, tokenizer.chapter]] = float("-inf")
    return logits
decoder.read = endless
session = WritingSession(decoder, tokenizer, text="天地玄黄，")
desk = WritingDesk(session)
desk.controls.preset.value = "model"
desk.controls.sliders["length"].value = {length}
desk.controls.stop_at.value = "length"
"""


class DeskKernel:
    """Executes code, clicks buttons, and keeps what the kernel said."""

    def __init__(self, manager, client):
        self.manager, self.client = manager, client

    def execute(self, code):
        """What the code prints; fails where it raises."""
        request, printed = self.client.execute(code), ""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            message = self.client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                printed += content["text"]
            assert kind != "error", "\n".join(content["traceback"])
            if kind == "status" and content["execution_state"] == "idle":
                return printed.strip()
        raise TimeoutError(code)

    def interrupt(self):
        """What a page does for "interrupt the kernel"."""
        self.manager.interrupt_kernel()

    def identify(self, widget):
        return self.execute(f"print({widget}.model_id)")

    def click(self, model):
        """What a page sends when a button is clicked."""
        data = {"method": "custom", "content": {"event": "click"}, "buffers": []}
        content = {"comm_id": model, "data": data}
        message = self.client.session.msg("comm_msg", content)
        self.client.shell_channel.send(message)

    def updates(self, model, seconds, until=lambda value: False):
        """The values that a widget took within so many seconds, or until one is wanted."""
        found, deadline = [], time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                message = self.client.get_iopub_msg(timeout=0.2)
            except Empty:
                continue
            content = message["content"]
            if message["msg_type"] != "comm_msg" or content["comm_id"] != model:
                continue
            state = content["data"].get("state", {})
            if "value" in state:
                found.append(state["value"])
                if until(state["value"]):
                    break
        return found


@contextmanager
def running_kernel(python=sys.executable):
    """A kernel of some Python, and its end."""
    manager = KernelManager()
    manager.kernel_spec.argv[0] = str(python)
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        yield DeskKernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
