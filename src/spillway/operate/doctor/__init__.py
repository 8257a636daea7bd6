"""Asks an account, before and after a deployment, what would go wrong there. Changes nothing.

Doctor asks the account and what is around it: quotas, secrets, downstreams, issuer, certificate.
Smoke asks a deployed API, as a customer would, for answers that it must give. Status reads what
waits in a running service now, and which alarms ring.
"""
