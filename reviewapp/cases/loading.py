"""Models held in memory by the processes that score and explain."""

from collections import OrderedDict
from typing import TYPE_CHECKING

import structlog

from reviewapp import inference_client
from reviewapp.registry.actions.versions import local_copy
from reviewapp.registry.models import Bundle

if TYPE_CHECKING:
    from inference.model import Model

log = structlog.get_logger(__name__)

# Enough that a rollback finds the version before still warm.
MAX_LOADED = 8
_loaded: "OrderedDict[str, Model]" = OrderedDict()


def loaded(bundle: Bundle) -> "Model":
    """The bundle's model, loaded once per process and verified by digest and golden batch. Raises BundleRefused."""
    model = _loaded.get(bundle.digest)
    if model is None:
        model = inference_client.load(local_copy(bundle), expected_digest=bundle.digest)
        _loaded[bundle.digest] = model
        log.info("model.loaded", bundle=bundle.digest, provider=model.provider)
        if len(_loaded) > MAX_LOADED:
            _loaded.popitem(last=False)
    _loaded.move_to_end(bundle.digest)
    return model
