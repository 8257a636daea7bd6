"""What the storefront's pages may do: the policy that CloudFront serves them with."""

from collections.abc import Sequence


def content_security_policy(connect_sources: Sequence[str]) -> str:
    """Scripts, styles and images of the store's own only, nothing inline, nothing evaluated.

    `connect_sources`: where a page's script may connect to beside the store itself. Trusted types
    forbid the DOM's ways of turning a text into code, which no page of ours uses.
    """
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            " ".join(("connect-src 'self'", *connect_sources)),
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )
