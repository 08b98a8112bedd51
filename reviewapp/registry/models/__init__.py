from reviewapp.registry.models.client import ApiKey, Client
from reviewapp.registry.models.policy import PolicyVersion
from reviewapp.registry.models.stream import Membership, Role, Stream, StreamRevision
from reviewapp.registry.models.version import Bundle, BundleChunk, ModelVersion, Rollout, RolloutMember

__all__ = [
    "ApiKey",
    "Bundle",
    "BundleChunk",
    "Client",
    "Membership",
    "ModelVersion",
    "PolicyVersion",
    "Role",
    "Rollout",
    "RolloutMember",
    "Stream",
    "StreamRevision",
]
