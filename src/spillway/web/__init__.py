"""The storefront's site: built from ``web/storefront``, published to the bucket behind CloudFront."""
