"""What is answered to a request that is not scored."""


class Refused(Exception):
    """A request that this server does not carry out: the HTTP status and a sentence for its sender.

    `headers` are what HTTP wants told with some statuses, each line with its end.
    """

    def __init__(self, status: int, sentence: str, *, headers: bytes = b"") -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = headers
