"""The only importer of the AWS SDK: one file per resource, each an adapter for one port.

botocore is used without boto3 on top of it: the same calls, 26 ms less of cold start
(decision 0004).
"""
