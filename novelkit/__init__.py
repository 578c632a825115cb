"""novelkit: from a raw Chinese novel to a GPT-2 that continues it.

One module a stage, in the order of the notebooks: `environment`, `download`, `encoding`,
`cleaning`, `tokenizing`, `model`, `training` (with `checkpoint`), `diagnosis`, `sampling`.
Import the stage that you need; `import novelkit` itself imports none of them, nor torch.
"""

__version__ = "0.1.0"
