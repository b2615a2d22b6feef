"""Places outside of the database where checkpoints are kept: a folder, an object store, a webhook."""

from services.audit.adapters.anchors.folder import FolderAnchor
from services.audit.adapters.anchors.s3 import S3Anchor, S3Place
from services.audit.adapters.anchors.webhook import WebhookAnchor

__all__ = ["FolderAnchor", "S3Anchor", "S3Place", "WebhookAnchor"]
