"""Models held in memory by the processes that score and explain."""

from collections import OrderedDict
from typing import TYPE_CHECKING

import structlog

from reviewapp import inference_client
from reviewapp.registry.actions.versions import drop_damaged_copy, local_copy
from reviewapp.registry.models import Bundle

if TYPE_CHECKING:
    from inference.model import Model

log = structlog.get_logger(__name__)

# Enough that a rollback finds the version before still warm.
MAX_LOADED = 8
# (digest, provider): without a provider the best there is.
_loaded: "OrderedDict[tuple[str, str], Model]" = OrderedDict()


def loaded(bundle: Bundle, *, provider: str = "") -> "Model":
    """The bundle's model, loaded once per process and verified by digest and golden batch. Raises BundleRefused."""
    key = (bundle.digest, provider)
    model = _loaded.get(key)
    if model is None:
        model = _load(bundle, provider)
        _loaded[key] = model
        log.info("model.loaded", bundle=bundle.digest, provider=model.provider)
        if len(_loaded) > MAX_LOADED:
            _loaded.popitem(last=False)
    _loaded.move_to_end(key)
    return model


def _load(bundle: Bundle, provider: str) -> "Model":
    """From this machine's copy; one that was damaged here is fetched once more."""
    try:
        return inference_client.load(local_copy(bundle), expected_digest=bundle.digest, provider=provider or None)
    except inference_client.BundleRefused as refusal:
        if not drop_damaged_copy(bundle):
            raise
        log.warning("model.copy_damaged", bundle=bundle.digest, error=str(refusal))
    return inference_client.load(local_copy(bundle), expected_digest=bundle.digest, provider=provider or None)


def forget(bundle: Bundle, *, provider: str = "") -> None:
    """Drop a model whose session cannot be trusted any more; the next use loads it anew."""
    _loaded.pop((bundle.digest, provider), None)
