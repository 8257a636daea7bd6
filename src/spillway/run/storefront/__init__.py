"""The storefront's site: built from `web/storefront`, published behind CloudFront."""
