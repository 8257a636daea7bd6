"""All that ships to Lambda, and nothing else.

Arrows point inward: `domain ← failures ← ports ← flow, aws, downstream, settings, telemetry ←
wiring ← handlers`. ARCHITECTURE.md walks through the rooms.
"""
