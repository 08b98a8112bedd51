"""Why a bundle is not accepted."""


class BundleRefused(ValueError):
    """A bundle that may not run; `code` is for machines, the text names the file or field and the remedy."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
