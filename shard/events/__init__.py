"""Uploads become markers: functions for AWS Lambda and for CloudEvents or Pub/Sub over HTTP.

Light: nothing here imports an imaging library, fsspec or click, and the clouds' own libraries
come in with the first marker. AWS Lambda gets this package with ``make lambda``.
"""
