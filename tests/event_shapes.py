"""Events as the clouds write them, around one upload each."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote_plus

ETAG = "d41d8cd98f00b204e9800998ecf8427e"
TIME = "2026-11-21T08:00:00.123Z"
SEQUENCE = "0055AED6DCD90281E5"
GENERATION = "1795000000123456"


def s3_record(
    bucket: str, key: str, name: str = "ObjectCreated:Put", /, **changes: object
) -> dict[str, Any]:
    """Return a record of an S3 notification; ``changes`` are of its object."""
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "eu-west-1",
        "eventTime": TIME,
        "eventName": name,
        "userIdentity": {"principalId": "AWS:AIDAEXAMPLE"},
        "requestParameters": {"sourceIPAddress": "192.0.2.1"},
        "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810", "x-amz-id-2": "FMyUVURIY8"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "uploads",
            "bucket": {
                "name": bucket,
                "ownerIdentity": {"principalId": "A3NL1KOZZKExample"},
                "arn": f"arn:aws:s3:::{bucket}",
            },
            "object": {
                "key": quote_plus(key, safe="/!-_.*'()"),
                "size": 1024,
                "eTag": ETAG,
                "sequencer": SEQUENCE,
                **changes,
            },
        },
    }


def notification(*records: dict[str, Any]) -> dict[str, Any]:
    """Return an S3 notification of these records."""
    return {"Records": list(records)}


def event_bridge(bucket: str, key: str, reason: str = "PutObject") -> dict[str, Any]:
    """Return S3's event on EventBridge."""
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "111122223333",
        "time": "2026-11-21T08:00:00Z",
        "region": "eu-west-1",
        "resources": [f"arn:aws:s3:::{bucket}"],
        "detail": {
            "version": "0",
            "bucket": {"name": bucket},
            "object": {"key": key, "size": 1024, "etag": ETAG, "sequencer": SEQUENCE},
            "request-id": "N4N7GDK58NMKJ12R",
            "requester": "111122223333",
            "source-ip-address": "192.0.2.1",
            "reason": reason,
        },
    }


def sns_text(event: object) -> dict[str, Any]:
    """Return what SNS makes of an event, as it stands in the body of an SQS message."""
    return {
        "Type": "Notification",
        "MessageId": "dc1e94d9-56c5-5e96-808d-cc7f68faa162",
        "TopicArn": "arn:aws:sns:eu-west-1:111122223333:uploads",
        "Subject": "Amazon S3 Notification",
        "Message": json.dumps(event),
        "Timestamp": TIME,
        "SignatureVersion": "1",
    }


def sns(event: object) -> dict[str, Any]:
    """Return the event that a function subscribed to SNS gets."""
    return {
        "Records": [
            {
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "EventSubscriptionArn": "arn:aws:sns:eu-west-1:111122223333:uploads:1",
                "Sns": sns_text(event),
            }
        ]
    }


def sqs(**bodies: object) -> dict[str, Any]:
    """Return a batch of SQS messages: id=body; a body that is text stays as it is."""
    return {
        "Records": [
            {
                "messageId": name,
                "receiptHandle": "AQEB",
                "body": body if isinstance(body, str) else json.dumps(body),
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-1:111122223333:uploads",
                "awsRegion": "eu-west-1",
            }
            for name, body in bodies.items()
        ]
    }


def gcs_object(bucket: str, key: str, generation: str = GENERATION) -> dict[str, Any]:
    """Return an object resource of Cloud Storage's JSON API."""
    return {
        "kind": "storage#object",
        "id": f"{bucket}/{key}/{generation}",
        "name": key,
        "bucket": bucket,
        "generation": generation,
        "metageneration": "1",
        "contentType": "image/tiff",
        "timeCreated": TIME,
        "updated": TIME,
        "size": "1024",
        "md5Hash": "1B2M2Y8AsgTpgAmY7PhCfg==",
        "etag": "CMDRvd+8=",
    }


def cloud_event(data: object, kind: str = "finalized") -> dict[str, Any]:
    """Return a CloudEvent of Cloud Storage, structured."""
    return {
        "specversion": "1.0",
        "id": "1234",
        "source": "//storage.googleapis.com/projects/_/buckets/b",
        "type": f"google.cloud.storage.object.v1.{kind}",
        "datacontenttype": "application/json",
        "time": TIME,
        "data": data,
    }


def binary_headers(kind: str = "google.cloud.storage.object.v1.finalized") -> dict[str, str]:
    """Return the headers that Eventarc sends with an object resource as the body."""
    return {
        "Content-Type": "application/json",
        "Ce-Id": "1234",
        "Ce-Specversion": "1.0",
        "Ce-Type": kind,
        "Ce-Source": "//storage.googleapis.com/projects/_/buckets/b",
    }


def pub_sub(resource: dict[str, Any], kind: str = "OBJECT_FINALIZE") -> dict[str, Any]:
    """Return Pub/Sub's push of Cloud Storage's notification, with its payload."""
    return {
        "message": {
            "attributes": {
                "bucketId": resource["bucket"],
                "objectId": resource["name"],
                "objectGeneration": resource["generation"],
                "eventType": kind,
                "eventTime": resource["timeCreated"],
                "payloadFormat": "JSON_API_V1",
                "notificationConfig": "projects/_/buckets/b/notificationConfigs/1",
            },
            "data": encoded(resource),
            "messageId": "136969346945",
        },
        "subscription": "projects/p/subscriptions/uploads",
    }


def encoded(document: object) -> str:
    """Return a document as base64 of its JSON."""
    return base64.b64encode(json.dumps(document).encode()).decode()
